// Updates of advertisers: each writer appends to advertiser_news, and one at a time adds that up.
#pragma once

#include <map>

#include "store/postgres/connection.hpp"

namespace ble {

// In a transaction that holds the lock wait_to_fold.
void fold_news(Connection &connection);

// The same in a transaction of its own, unless another one is at it.
void fold_if_free(Connection &connection);

// These detections are no more.
void tell_gone(Connection &connection, const std::map<std::int64_t, std::int64_t> &detections_by_advertiser);

// Folds once in a while.
class NewsFolder {
  public:
    explicit NewsFolder(Connection &connection) : connection_(connection) {}
    // Outside a transaction, after each that told news. Trouble is left for the next time.
    void keep_up() noexcept;

  private:
    Connection &connection_;
    int waiting_ = 0;
};

}  // namespace ble
