// Whether the disk of a durable spool can be written now.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/log.hpp"
#include "sqlite/database.hpp"

namespace ble {

class SpoolDisk {
  public:
    // Borrows the database, the spool's, and sets how long its log gets.
    explicit SpoolDisk(Database &database);

    bool may_write() const { return Clock::now() >= retry_at_; }
    // Is there room for a push, beside what is kept free for removals?
    bool has_room();
    // A second from now may_write() again. Says why, once a minute.
    void wait(const std::string &why);
    // Of what may pass by itself: wait(). Anything else is thrown on: to be called where `error` is caught.
    void trouble(const SqliteError &error);
    // The next batches are in. Says so when there was trouble.
    void worked();

  private:
    using Clock = std::chrono::steady_clock;

    Database &database_;
    std::uint64_t kept_free_;  // bytes
    Clock::time_point retry_at_;
    bool complained_ = false;
    Throttle trouble_said_;
};

}  // namespace ble
