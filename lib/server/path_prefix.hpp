// The path that a proxy serves us under, when it passes paths on as they are: "/ble".
#pragma once

#include <string>

namespace ble {

class PathPrefix {
  public:
    // `given`: "/ble" or "/ble/"; empty or "/": there is none. Error(config) for what is no path, or would need escapes.
    explicit PathPrefix(const std::string &given = {});

    // "/ws" of "/ble/ws", and of "/ws": a proxy that takes the prefix off is right as well. Empty of "/ble", where pages
    // must not be: addresses relative to it leave the prefix.
    std::string strip(const std::string &path) const;
    // Where "/ble" should lead to, relative to it: "ble/".
    std::string last_part() const { return prefix_.substr(prefix_.rfind('/') + 1) + "/"; }

  private:
    std::string prefix_;  // "/ble"
};

}  // namespace ble
