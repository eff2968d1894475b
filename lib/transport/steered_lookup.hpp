// Makes the libraries of this process connect to one address of a name. They still know the name, and check the
// peer's certificate by it.
//
// libmosquitto and paho.mqtt.c look a name up by themselves, take its addresses one after the other, or only one of them, and
// accept no address from us (libmosquitto 2.0.11 to 2.0.22, paho 1.3.12 to 1.3.15). They call getaddrinfo(3), which a
// program may define; ours answers for the names steered here, and calls the C library's for all others.
#pragma once

#include <netdb.h>

#include <list>
#include <string>
#include <utility>

namespace ble {

class SteeredLookup {
  public:
    // Until this is destroyed, `name` has only `address`, a numeric one. Of several for one name the newest counts. From any thread.
    SteeredLookup(std::string name, std::string address);
    ~SteeredLookup();
    SteeredLookup(const SteeredLookup &) = delete;
    SteeredLookup &operator=(const SteeredLookup &) = delete;

  private:
    std::list<std::pair<std::string, std::string>>::iterator entry_;
};

// getaddrinfo(3) of the C library, whatever is steered.
int look_up_unsteered(const char *name, const char *service, const addrinfo *hints, addrinfo **result);

}  // namespace ble
