// Writes lines to a reader that may be slow, stall or go away, and never waits long for it: what the
// reader does not take in time is dropped, as whole lines.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace ble {

class EventWriter {
  public:
    using Clock = std::chrono::steady_clock;

    // `fd` is borrowed and its flags are never changed; O_NONBLOCK may be set by others. `patience`: how long to
    // wait in all for a reader that does not keep up; 0: for ever. While waiting, `attend` is called whenever `attend_fd`
    // is readable; it returns false when waiting must end.
    EventWriter(int fd, std::chrono::milliseconds patience, int attend_fd, std::function<bool()> attend);

    // Writes the line (or several, with LF between them) and its LF, after a LF of its own when the pipe was not empty at the start. False: dropped, because the reader does not keep up or is gone. When patience runs out
    // in mid-line the rest is kept and written before anything else: a begun line is always finished. Once patience has
    // run out there is no waiting until the reader has caught up: lines are written only when there is room at once.
    bool line(std::string_view text);
    // Writes what fits of a begun line, and looks whether the reader is gone. Call when `fd` is writable and pending()
    // is true, or when `fd` shows a hang-up.
    void pump();
    // At the end: waits until the reader has taken the rest of a begun line, for `patience`, but at most a second after `attend` has
    // asked to end. False: it was not taken.
    bool finish();

    bool pending() const { return !rest_.empty(); }
    bool gone() const { return gone_; }  // the reader hung up, or writing failed for good: why()
    const std::string &why() const { return why_; }
    // Does anybody see what is written? False for /dev/null.
    bool heard() const { return heard_; }

  private:
    bool writable();
    std::size_t room();
    bool write_some(std::string_view &text);
    bool write_all(std::string_view &text, bool wait);
    bool wait_for_reader(std::chrono::milliseconds most, bool attending);
    bool caught_up() const;
    void lose(const std::string &why);

    int fd_;
    std::chrono::milliseconds patience_, waited_{0};
    int attend_fd_;
    std::function<bool()> attend_;
    std::string rest_, why_;
    bool pipe_ = false, heard_ = true, gone_ = false, stalled_ = false;
    bool torn_before_ = false;
};

}  // namespace ble
