// Makes the libraries of this process connect to one address of a name, while they know the name, by which they check the
// peer's certificate.
//
// libmosquitto and paho.mqtt.c look a name up by themselves, take its addresses one after the other, or only one of them, and
// have no other way to be told which (libmosquitto 2.0.11 to 2.0.22, paho 1.3.12 to 1.3.15). They ask getaddrinfo(3), which the C
// library lets a program define; ours answers for the names steered here, and leaves all others to the C library's.
#pragma once

#include <netdb.h>

#include <list>
#include <string>
#include <utility>

namespace ble {

class SteeredLookup {
  public:
    // Until this is destroyed `name` has `address` alone, a numeric one. Of several for one name the newest counts. From any thread.
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
