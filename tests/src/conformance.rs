//! One test, every backend.

/// Makes of each named `async fn(Bed)` one test on each backend: `native::NAME` and `host::NAME`.
///
/// What a backend does not declare in its `Capabilities` the test itself asks for, and expects `Unsupported`.
#[macro_export]
macro_rules! on_every_backend {
    ($($test:ident),+ $(,)?) => {
        mod native {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::Bed::native()).await;
            })+
        }

        mod host {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::Bed::host()).await;
            })+
        }
    };
}
