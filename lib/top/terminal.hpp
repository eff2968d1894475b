// A terminal that is drawn on, by ncurses: only what has changed is written. Keys come from /dev/tty, since standard input is
// the pipe. The destructor restores the terminal, and so does a stop by
// SIGTSTP, after which drawing goes on. Only SIGKILL prevents this. What this process logs meanwhile is kept for the footer when it would go to the terminal.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/look.hpp"
#include "top/page.hpp"
#include "top/viewer.hpp"

namespace ble {

class Terminal {
  public:
    // Can standard output be drawn on? It is a terminal with a size, /dev/tty can be opened, and TERM says how.
    static bool usable();

    // At most one. Error(io): the terminal cannot be used.
    explicit Terminal(const Look &look);
    ~Terminal();
    Terminal(const Terminal &) = delete;
    Terminal &operator=(const Terminal &) = delete;

    int fd() const;            // of keys: readable, or hung up
    int log_fd() const;        // of what was logged; -1: it goes where it always does
    std::optional<Key> key();  // the next one; nothing: none now. Never blocks
    std::string logged();      // the last line since the last call; empty: none
    bool resized();            // since the last call
    Surface surface() const;
    void draw(const Page &page);
    void redraw();  // all of it with the next draw()

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ble
