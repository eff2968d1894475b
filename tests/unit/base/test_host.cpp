#include "base/host.hpp"

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
