#include "server/allowances.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace ble {
namespace {

constexpr std::size_t most_names = 4096;

}  // namespace

double Allowances::count(const Left &left, Clock::time_point now) const {
    return std::min(burst_, left.count + rate_ * std::chrono::duration<double>(now - left.since).count());
}

Allowances::Left &Allowances::find(const std::string &name, Clock::time_point now) {
    if (const auto found = left_.find(name); found != left_.end()) return found->second;
    if (left_.size() >= most_names)
        std::erase_if(left_, [&](const auto &entry) { return count(entry.second, now) >= burst_; });
    return left_.try_emplace(left_.size() < most_names ? name : std::string(), Left{burst_, now})
        .first->second;
}

bool Allowances::take(const std::string &name, Clock::time_point now) {
    if (rate_ <= 0) return true;
    Left &left = find(name, now);
    left = {count(left, now), now};
    if (left.count < 1) return false;
    left.count -= 1;
    return true;
}

bool Allowances::spent(const std::string &name, Clock::time_point now) const {
    const auto found = left_.find(name);
    return found != left_.end() && count(found->second, now) < 1;
}

std::string network_of(const std::string &address) {
    std::array<unsigned char, 16> bytes{};
    if (inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return address;
    std::array<char, INET6_ADDRSTRLEN> text{};
    constexpr std::array<unsigned char, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::equal(mapped.begin(), mapped.end(), bytes.begin()))
        return inet_ntop(AF_INET, bytes.data() + mapped.size(), text.data(), text.size());
    std::memset(bytes.data() + 8, 0, 8);
    return inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
}

}  // namespace ble
