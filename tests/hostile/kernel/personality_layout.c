/* Asks for the memory layout of old kernels.
 * Matters: predictable addresses.
 * Held by: seccomp. */
#include "hostile.h"

int main(void) {
    return reached("personality_layout", syscall(SYS_personality, 0x0200000 /* ADDR_COMPAT_LAYOUT */));
}
