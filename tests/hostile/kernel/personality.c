/* Makes all its memory executable.
 * Matters: switches a protection off, for setuid programs too in old kernels.
 * Held by: seccomp. */
#include "hostile.h"

int main(void) {
    return reached("personality", syscall(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */));
}
