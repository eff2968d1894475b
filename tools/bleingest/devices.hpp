// What bleingest's metrics tell of each Pi: when it was last heard, how late it is, its clock, what it lost.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/counters.hpp"
#include "base/exposition.hpp"
#include "base/log.hpp"
#include "store/store.hpp"

namespace ble {

// It knows what came since the start, and nothing of what is in the store from before.
class Devices {
  public:
    // Each is several time series to whoever scrapes. Further ones are counted in what is told of all, and said in the log: a
    // sender that makes up names does not drive out those that are known.
    static constexpr std::size_t most = 1000;

    explicit Devices(Counters &counters) : counters_(counters) {}

    // These items were given to the store at that time.
    void note(const std::vector<StoreItem> &items, const StoreResult &result, std::time_t received);
    void tell(Exposition &to) const;

  private:
    struct Device {
        std::time_t received = 0;
        std::optional<std::chrono::milliseconds>
            window;  // since 1970: the end of the last one that was stored
        std::optional<bool> synced;
        std::uint64_t missing = 0;
    };
    Device *find(const std::string &device_id);
    void note(const Batch &batch, std::time_t received);
    void note(const Gap &hole);

    Counters &counters_;
    std::map<std::string, Device> devices_;
    // By the reasons that are ours, and all others: a sender may write any.
    static constexpr std::array reasons{"missing", "buffer_full", "expired", "not_delivered",
                                        "refused", "rejected",    "other"};
    std::array<std::uint64_t, reasons.size()> missing_{};
    Throttle crowd_said_;
};

}  // namespace ble
