#include "base/host.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>

#include "base/clocks.hpp"
#include "catch.hpp"

using ble::device_id_of;
using ble::is_usual_host_name;

TEST_CASE("what leads to this machine, whatever the network") {
    for (const auto *host : {"localhost", "127.0.0.1", "127.9.8.7", "::1"}) CHECK(ble::is_own_machine(host));
    for (const auto *host : {"", "localhost.example", "128.0.0.1", "10.0.0.1", "0.0.0.0", "1270.0.0.1",
                             "::", "::ffff:10.0.0.1", "fe80::1", "broker", "127.0.0.1.example"})
        CHECK_FALSE(ble::is_own_machine(host));
}

TEST_CASE("the host of a URL is taken as it must be written, to the last character") {
    const auto read = [](std::string_view text) {
        const auto host = ble::parse_uri_host(text);
        return host ? host->name + (host->is_address ? " address" : " name") +
                          (host->port ? " " + std::to_string(*host->port) : "")
                    : "none";
    };
    const std::string longest = std::string(251, 'a') + ".b";
    for (const auto &[text, wanted] : std::initializer_list<std::pair<std::string, std::string>>{
             {"localhost", "localhost name"},
             {"LOCALHOST:8765", "localhost name 8765"},
             {"a.localhost:1", "a.localhost name 1"},
             {"pi_1-a.example", "pi_1-a.example name"},
             {"localhost:", "localhost name"},
             {longest, longest + " name"},
             {"127.0.0.1", "127.0.0.1 address"},
             {"192.0.2.7:65535", "192.0.2.7 address 65535"},
             {"127.1", "127.1 name"},
             {"0x7f.1", "0x7f.1 name"},
             {"127.0.0.1.evil", "127.0.0.1.evil name"},
             {"[::1]", "::1 address"},
             {"[::1]:8765", "::1 address 8765"},
             {"[FE80::A]", "fe80::a address"},
             {"[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1 address 1"}})
        CHECK(read(text) == wanted);
    for (const auto *text : {"",
                             " ",
                             ":",
                             ":8765",
                             "[]",
                             "[",
                             "]",
                             "[::1",
                             "::1",
                             "::1]",
                             "[::1]evil",
                             "[::1]evil.example:80",
                             "[::1]8765",
                             "[::1] ",
                             " [::1]",
                             "[::1]]",
                             "[[::1]]",
                             "[::1]:80:80",
                             "[::1]:x",
                             "[::1]:65536",
                             "[127.0.0.1]",
                             "[localhost]",
                             "[fe80::1%25eth0]",
                             "[::1%1]",
                             "[v1.a]",
                             "localhost:80:80",
                             "localhost:65536",
                             "localhost:99999999999999999999",
                             "localhost:-1",
                             "localhost:+1",
                             "localhost:0x50",
                             "localhost:8 0",
                             "localhost: 80",
                             "localhost evil",
                             "localhost,evil",
                             "localhost/evil",
                             "localhost#",
                             "localhost?",
                             "evil@localhost",
                             "localhost\\",
                             "localhost\t",
                             "localhost\n",
                             "localhost.",
                             ".localhost",
                             "a..localhost",
                             "local%68ost",
                             "lokal\xc3\xa4",
                             "127.0.0.1 ",
                             "127.0.0.1,::1",
                             "127.0.0.1/8",
                             "*"}) {
        INFO(text);
        CHECK(read(text) == "none");
    }
    CHECK(read(std::string("localhost\0evil", 14)) == "none");
    CHECK(read(std::string("127.0.0.1\0", 10)) == "none");
    CHECK(read(longest + "b") == "none");
}

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

TEST_CASE("the uptime is what the kernel says: one that was written down goes on to be compared") {
    struct sysinfo before {
    }, after{};
    ::sysinfo(&before);
    const auto uptime = ble::read_clocks().uptime.count();
    ::sysinfo(&after);
    CHECK(uptime >= before.uptime);
    CHECK(uptime <= after.uptime);
}
