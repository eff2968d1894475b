#include "base/host.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <iterator>

#include "catch.hpp"

using ble::device_id_of;
using ble::is_usual_host_name;

TEST_CASE("host names that systems come with are known, and others are left alone") {
    for (const auto *name :
         {"raspberrypi", "RaspberryPi", "raspberrypi.local", "localhost", "localhost.localdomain", "debian",
          "ubuntu", "dietpi", "pi", "armbian", "orangepizero2", "nanopi-r4s", ""}) {
        INFO(name);
        CHECK(is_usual_host_name(name));
    }
    for (const auto *name : {"pi-lab-1", "raspberrypi2", "kitchen", "debian-kitchen", "hostess", "pi4"}) {
        INFO(name);
        CHECK_FALSE(is_usual_host_name(name));
    }
}

TEST_CASE("a device_id is made of the host name, and of the machine's digits where many have that name") {
    CHECK(device_id_of("pi-lab-1", "3fa9c1") == "pi-lab-1");
    CHECK(device_id_of("raspberrypi", "3fa9c1") == "raspberrypi-3fa9c1");
    CHECK(device_id_of("pi", "3fa9c1") == "pi-3fa9c1");
    CHECK(device_id_of("", "3fa9c1") == "host-3fa9c1");
    CHECK(device_id_of("raspberrypi", "") == "raspberrypi");
    CHECK(device_id_of("pi", "") == "host-pi");
    CHECK(device_id_of("", "") == "host-");
    CHECK(device_id_of("ab", "3fa9c1") == "host-ab");
    CHECK(device_id_of(std::string(64, 'x'), "3fa9c1") == std::string(50, 'x'));
    const std::string board = "orangepi" + std::string(60, 'x');
    CHECK(device_id_of(board, "3fa9c1") == board.substr(0, 43) + "-3fa9c1");
}

// In a child: what is forbidden there stays forbidden.
TEST_CASE("a clock that may not be asked about is not synchronised") {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        constexpr auto call = static_cast<std::uint32_t>(offsetof(seccomp_data, nr));
        sock_filter rules[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, call),
                               BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_adjtimex, 1, 0),
                               BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_adjtime, 0, 1),
                               BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                               BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
        const sock_fprog program{static_cast<unsigned short>(std::size(rules)), rules};
        const bool forbidden = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                               ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
        ::_exit(!forbidden ? 2 : ble::clock_synced() ? 1 : 0);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}
