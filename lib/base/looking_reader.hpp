// Reads lines from a descriptor by looking first and consuming later, so that what was not committed is still in the
// pipe when this process dies.
//
// On a pipe or FIFO: tee(2) copies what is there without consuming it; consume() removes exactly the bytes of the
// lines looked at, by one splice(2) to /dev/null. On anything else (file, socket, terminal) the bytes are simply read.
// The descriptor is borrowed and its flags are never changed; others may have set O_NONBLOCK. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/unique_fd.hpp"

namespace ble {

struct Line {
    enum class Kind {
        whole,     // ended by LF; `text` is without it
        tail,      // the unterminated rest at the end of input: a whole batch without its LF, or torn
        oversize,  // longer than the bound: `text` is its beginning (at most 256 bytes); the rest is skipped
    };
    Kind kind;
    std::string_view
        text;  // valid until consume() or the next look(); at least read_padding bytes may be read behind it
};

class LookingReader {
  public:
    static constexpr std::size_t read_padding = 64;  // what SIMD parsers may read past a line's end

    // `name` for messages: "standard input". On a pipe: raises it to 1 MiB and locks it: Error(unavailable) when another
    // process has (the lock goes when any descriptor of the pipe is closed here), Error(system) naming the sysctl when the pipe cannot hold the longest line.
    // `longest`: bound of a line, at most what half-filled pages of the pipe hold.
    LookingReader(int fd, std::string name, std::size_t longest = max_line + sender_room);

    // Readable when a look may find something new, hang-up included (edge-triggered inside: it does not spin on a
    // partial line). On old kernels a consumed edge can be missed: look again at least every 100 ms while idle.
    int event_fd() const { return epoll_.get(); }

    // The complete lines that are there now, without empty ones. Never blocks. May be called again: it shows again what was
    // not consumed. Error(io) when reading fails.
    const std::vector<Line> &look();
    // Removes all that the last look() showed (lines, empty lines, oversize bytes). Never blocks.
    void consume();
    // Removes the first `lines` lines that the last look() showed, and what was skipped before them.
    void consume(std::size_t lines);

    // True when the last look() found the end of input: no writer is left, and nothing is there beyond what it showed.
    bool ended() const { return ended_; }
    bool is_pipe() const { return pipe_; }
    const std::string &name() const { return name_; }

  private:
    std::size_t standing_bytes() const;
    std::size_t peek();     // pipe: fills buffer_ with what stands; returns the byte count
    void read_more();       // others: appends to buffer_
    void cut(bool at_end);  // buffer_ -> lines_
    void add(Line::Kind kind, std::size_t from, std::size_t to);
    void discard(std::size_t bytes);
    void watch(int operation);

    int fd_;
    std::string name_;
    std::size_t longest_;
    bool pipe_ = false, ended_ = false, skipping_ = false, end_seen_ = false;
    UniqueFd epoll_, always_, copy_in_, copy_out_, null_;
    std::vector<char> buffer_;
    std::size_t filled_ = 0;   // bytes in buffer_
    std::size_t looked_ = 0;   // bytes of buffer_ that the lines shown cover
    bool skip_after_ = false;  // consuming all of looked_ leaves us inside an oversize line
    std::vector<Line> lines_;
    std::vector<std::size_t> ends_;  // offset just past each line of lines_
};

}  // namespace ble
