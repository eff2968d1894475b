// How often each of many may do something: `burst` times at once, then `rate` times a second.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <unordered_map>

namespace ble {

class Allowances {
  public:
    using Clock = std::chrono::steady_clock;
    // `rate` 0: as often as they like.
    Allowances(double rate, double burst) : rate_(rate), burst_(burst) {}

    // Takes one of `name`'s. False: none is left. Memory is bounded: beyond 4096 names that have used some, further
    // ones share one allowance.
    bool take(const std::string &name, Clock::time_point now = Clock::now());
    // Is none left?
    bool spent(const std::string &name, Clock::time_point now = Clock::now()) const;

  private:
    struct Left {
        double count;
        Clock::time_point since;
    };
    double count(const Left &left, Clock::time_point now) const;
    Left &find(const std::string &name, Clock::time_point now);

    double rate_, burst_;
    std::unordered_map<std::string, Left> left_;  // who is not in it has all
};

// An IPv4 address itself; of an IPv6 address its network of 64 bits, because one client may have all of that. Other text
// stays as it is.
std::string network_of(const std::string &address);

}  // namespace ble
