// What each of many may do so often: `burst` times at once, and from then on `rate` times a second.
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

    // Takes one of `name`'s. False: none is left. Memory is bounded: of more than 4096 names that are short of something, the
    // further ones share one allowance.
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

// Of an IPv4 address itself; of an IPv6 address its network of 64 bits, all of which one client may have. What is no address
// stays as it is.
std::string network_of(const std::string &address);

}  // namespace ble
