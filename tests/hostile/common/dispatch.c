/* The one executable of all hostile programs: finds the named one and starts it, but only in a throwaway namespace.
 *
 * HOSTILE_HOST_PIDNS is the process namespace of whoever ordered the attack. A program that is still in it, or cannot tell,
 * does nothing: `kill -9 -1` would end the machine's own processes. */
#include "hostile.h"

struct program {
    const char *name;
    int (*main)(int, char **);
};

extern const struct program programs[];

static void must_be_in_a_namespace_of_its_own(void) {
    char own[64] = "";
    if (readlink("/proc/self/ns/pid", own, sizeof own - 1) <= 0 || strcmp(own, given("HOSTILE_HOST_PIDNS")) == 0) {
        exit(verdict(COULD_NOT_TRY, "not in a process namespace of its own: it would strike the machine itself"));
    }
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    must_be_in_a_namespace_of_its_own();
    for (const struct program *program = programs; program->name != NULL; program++) {
        if (strcmp(program->name, name) == 0) {
            return program->main(argc - 1, argv + 1);
        }
    }
    return verdict(COULD_NOT_TRY, "no program is named '%s'", name);
}
