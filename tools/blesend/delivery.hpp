// Delivery joins a spool and a transport: which entries are sent next, and what becomes of each result.
//
// A message carries one entry or, joined by LF, several that wait anyway. Its id is that of the first.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/counters.hpp"
#include "base/log.hpp"
#include "batch/batch.hpp"
#include "batch/reject_file.hpp"
#include "spool/gap_ledger.hpp"
#include "spool/spool.hpp"
#include "transport/transport.hpp"

namespace ble {

class Delivery {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t longest_joined = 256 * 1024;  // bytes; a longer line goes alone
    // What ended in `later` has its turn when nothing else waits, or after so many others were delivered; where several of its
    // kind wait, one of them after so many divided by their number. Others that never come to be delivered go before it: what is
    // taken among them is all that it can be compared with.
    static constexpr std::size_t most_others = 1000;
    enum class OnFailure {
        keep,  // send again, in order
        drop,  // one try for each: counted, logged, gone; a gap line follows the next delivery
    };

    // Borrows all. At most `coalesce` entries share a message.
    Delivery(Spool &spool, Transport &transport, RejectFile &reject, Counters &counters, std::size_t coalesce,
             OnFailure on_failure);

    // Takes the transport's results and sends what may be sent. Never blocks.
    void pump();
    // Much is too old, and only a part of it was dropped: call again, nothing else is to be waited for.
    bool expiring() const { return expiring_; }
    // When an entry last left the spool; at first: when this was made.
    Clock::time_point last_progress() const { return last_progress_; }

  private:
    using Entries = std::vector<std::uint64_t>;  // ids, in order

    bool send_next();
    bool send_postponed();
    void settle(const Result &result);
    void give_back(const Entries &entries);
    void part(const Entries &entries, const Result &result);
    void learn_from_part(std::uint64_t entry, Outcome outcome);
    void finish(std::uint64_t entry, const Result &result);
    void note_newest();
    void drop(std::uint64_t entry);
    void tell_dropped();

    Spool &spool_;
    Transport &transport_;
    RejectFile &reject_;
    Counters &counters_;
    std::size_t coalesce_;
    OnFailure on_failure_;
    std::map<std::uint64_t, Entries> outstanding_;  // messages, by id
    bool rewinding_ = false;         // something is to be sent again: first let all that is outstanding end
    std::uint64_t alone_until_ = 0;  // entries before this one are sent one by one: one of them was refused
    std::size_t most_joined_ = longest_joined;  // bytes
    std::size_t parted_bytes_ = 0;              // of the message whose entries are now sent one by one
    bool one_at_fault_ = false;                 // one of them ended as badly by itself
    unsigned parted_in_vain_ = 0;               // messages in a row of which none did: their size is it
    std::deque<std::uint64_t> postponed_;       // entries in flight that wait for their turn behind others
    std::size_t others_ = 0;                    // delivered since one of them was tried
    bool expiring_ = false;
    bool trying_ = false;  // one of them is on its way, alone
    Clock::time_point last_progress_ = Clock::now();
    GapLedger dropped_;   // what was dropped and is not yet told of
    std::string newest_;  // delivered last and not yet looked at; empty: none
    BatchParser parser_;
    Throttle dropped_said_, parted_said_;
};

}  // namespace ble
