// What every store must do, written against the interface: each implementation runs it with a way to open a new store.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace ble::test {

// What the suite must know about a store and cannot ask the interface.
struct StoreUnderTest {
    std::unique_ptr<Store> store;
    // A second connection to the same data, as another process has.
    std::function<std::unique_ptr<Store>()> again;
    // Rows of a query, columns joined by '|'; the views and tables are the same in every store.
    std::function<std::vector<std::string>(const std::string &sql)> rows;
    // As long as what it returns lives, nothing can be stored: StoreTrouble.
    std::function<std::shared_ptr<void>()> trouble;
};

void run_store_suite(const std::function<StoreUnderTest()> &open);

// Lines for a store, which own what they refer to.
class Lines {
  public:
    Lines &batch(Batch batch, std::string line = "");
    Lines &gap(Gap gap);
    StoreResult store(Store &store, const Clocks &present) const;
    StoreResult store(Store &store, Time received_at) const;  // clocks_at() that time

  private:
    struct Owned {
        std::string line;
        std::unique_ptr<Batch> batch;
        std::unique_ptr<Gap> gap;
    };
    std::vector<Owned> lines_;
};

Time at(const char *text);
// The clocks of a machine that runs since 1970, whose wall clock is right.
Clocks clocks_at(Time time);
// Retention at that time and each hour after it, until an hour deletes nothing. Returns the number of steps.
int expire(Store &store, std::chrono::seconds keep, Time time);
std::string hash_of(int advertiser);
// Batch `seq` of run "run" of device "pi-1", taken 10 s after the one before, with `detections` advertisers.
Batch make_batch(std::uint64_t seq, int detections = 2);
std::string kinds(
    const StoreResult &result);  // "s" stored, "d" duplicate, "c" conflict, "r" refused: one letter a line

}  // namespace ble::test
