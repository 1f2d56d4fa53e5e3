/* Writes to 256 MiB of memory where 64 MiB are allowed.
 * Matters: the machine kills others when memory is out.
 * Held by: memory.max of the cgroup. Where there is no cgroup, the limit is refused when it is asked for.
 * create: --memory 64m
 * death: the kernel kills it */
#include "hostile.h"

int main(void) {
    size_t length = 256UL << 20;
    char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; memory != MAP_FAILED && i < length; i += 4096) {
        memory[i] = 1;
    }
    return worked("wrote to all of it", memory != MAP_FAILED);
}
