/* Preloaded into a program: its raw Bluetooth socket becomes a datagram socket bound to the path in MONITOR_CHANNEL, and who
   sends there is the kernel's monitor channel. For hosts without Bluetooth, for faults and for speed; the real one is the truth. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

static int channel = -1;

int socket(int domain, int type, int protocol) {
    int (*real)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
    if (domain != AF_BLUETOOTH) return real(domain, type, protocol);
    return channel = real(AF_UNIX, SOCK_DGRAM | (type & (SOCK_NONBLOCK | SOCK_CLOEXEC)), 0);
}

int bind(int fd, const struct sockaddr *address, socklen_t size) {
    int (*real)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
    const char *path = getenv("MONITOR_CHANNEL");
    if (fd != channel || !path) return real(fd, address, size);
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    snprintf(here.sun_path, sizeof here.sun_path, "%s", path);
    return real(fd, (const struct sockaddr *)&here, sizeof here);
}
