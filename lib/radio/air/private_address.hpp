// Resolvable private addresses: recognises advertisers that change their address, if their identity resolving key
// (IRK) is known. Core Specification, Vol 6 Part B 1.3.2 (the address), Vol 3 Part H 2.2.2 (the function ah).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/aes128.hpp"
#include "radio/air/report.hpp"

namespace ble {

struct Identity {
    std::string name;                // what people call it: personal data
    std::optional<Address> address;  // its identity address, when it is known
    std::string hashed;              // what stands for it in a device_hash; tells nothing of the key
    std::uint64_t number = 0;        // differs from that of every other identity and of every address
};

// Is it random, with 0b01 as its two most significant bits?
bool is_resolvable(const Address &address);

// The 24 bits of `ah` for `prand`, both with the most significant byte first, as in a written address.
std::array<std::uint8_t, 3> private_address_hash(const Aes128 &key, const std::array<std::uint8_t, 3> &prand);

// The costs of a report are bounded: a known address is looked up, for a new one each key is tried, of which there are
// at most `most_keys`. Memory too: at most twice `most_remembered` addresses, none for longer than twice `memory`.
class IdentityResolver {
  public:
    static constexpr std::size_t most_keys = 1000, most_remembered = 10'000;
    static constexpr auto memory = std::chrono::minutes(15);

    // Lines "NAME KEY" or "NAME KEY ADDRESS"; blank lines and those that begin with # are skipped. KEY: 32 hex digits,
    // most significant byte first, or "lsb:" and the reverse. Error(config) names `file` and the line, never a key.
    IdentityResolver(std::string_view lines, const std::string &file);

    // The identity with that address, or whose key made it; null: nobody known. Valid as long as the resolver.
    const Identity *resolve(const Address &address, Time now);

    std::size_t size() const { return identities_.size(); }
    std::size_t remembered() const { return young_.size() + old_.size(); }
    std::uint64_t tried() const { return tried_; }  // keys, in all

  private:
    using Known = std::unordered_map<std::uint64_t, const Identity *>;

    void add(std::string_view line);
    void age(Time now);
    const Identity *try_keys(const Address &address);

    std::vector<Identity> identities_;
    std::vector<Aes128> keys_;  // of the identities, in the same order
    Known by_address_;
    Known young_, old_;  // resolutions, also in vain; the young become old together
    Time young_since_{};
    std::uint64_t tried_ = 0;
};

// Puts the identity into each report and passes it to `next`. Both must outlive it; the resolver until renew() replaces it.
class ResolvingSink : public ReportSink {
  public:
    ResolvingSink(IdentityResolver &resolver, ReportSink &next) : resolver_(&resolver), next_(next) {}

    void renew(IdentityResolver &resolver) { resolver_ = &resolver; }

    void advance(Time now) override { next_.advance(now); }
    void add(const Report &report) override {
        Report known = report;
        known.identity = resolver_->resolve(report.address, report.timestamp);
        next_.add(known);
    }
    void listens(bool on, Time since) override { next_.listens(on, since); }
    std::optional<Time> due() const override { return next_.due(); }
    bool satisfied() const override { return next_.satisfied(); }
    void finish() override { next_.finish(); }

  private:
    IdentityResolver *resolver_;
    ReportSink &next_;
};

}  // namespace ble
