//! Stand-in for the Anthropic and OpenAI model servers, for tests and the demo
