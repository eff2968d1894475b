// Child processes that answer questions, a line for a line: slow or failing work happens there, and the parent's loop goes
// on. Each is started when it is needed, and stays; one that is late, or ends, is replaced at the next question.
//
// One thread, and any loop: fd() becomes readable when step() has something to do. Nothing here blocks, not even for a process that dies.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "server/timers.hpp"

namespace ble {

// Our environment, without the entries that begin so, and without those for sd_notify: a child must not use them.
std::vector<std::string> environment_without(std::string_view prefix);

class Workers {
  public:
    struct Options {
        // The program's path first; it reads questions and writes answers, and ends at their end.
        std::vector<std::string> command;
        std::vector<std::string> environment;  // "NAME=VALUE"
        std::size_t most = 2;                  // processes
        std::size_t most_waiting = 64;         // questions that none is free for
        std::chrono::milliseconds limit =
            std::chrono::seconds(15);  // of an answer; then its process is killed
        std::chrono::milliseconds longest_wait = std::chrono::seconds(20);  // until a process is free
        // Before the next start, after a failed one.
        std::chrono::milliseconds pause = std::chrono::seconds(2);
        std::size_t longest = 4 << 20;  // bytes of an answer
    };
    enum class Outcome {
        answered,
        late,     // past the limit, or no process was free for so long
        failed,   // the process ended, or could not be started: standard error, which is ours, has why
        too_long  // the answer
    };
    using Answered = std::function<void(Outcome, std::string answer)>;
    using Ticket = std::uint64_t;
    static constexpr std::size_t longest_question =
        4000;  // bytes; with its LF a pipe takes it whole (PIPE_BUF)

    // Runs the command with --check, which says on standard error what is wrong: Error(config) when something is. Blocks until it ends.
    static void check(const Options &options);

    explicit Workers(Options options);  // Error(system)
    ~Workers();                         // ends them
    Workers(const Workers &) = delete;
    Workers &operator=(const Workers &) = delete;

    // `answered` is called by step(), once. `question`: without LF, at most longest_question. Empty: too many wait already.
    std::optional<Ticket> ask(std::string question, Answered answered);
    // Withdraws a question that no process has yet: its `answered` is not called. False: it is being answered, or was.
    bool withdraw(Ticket ticket);

    int fd() const { return epoll_.get(); }
    void step();

  private:
    using Clock = Timers::Clock;
    struct Question {
        Ticket ticket;
        std::string text;
        Answered answered;
        Clock::time_point due;  // it waits, or its process works, no longer than that
    };
    struct Worker {
        pid_t pid = 0;
        UniqueFd in, out;  // its standard input and output: we write, and read
        std::optional<Question> question;
        std::string answer;  // as far as it is read
        bool has_answered = false;
    };

    void give();
    Worker *free_one();
    Worker *start();
    void read(Worker &worker);
    void watch_time();
    void end_late();
    // It is ended, and its question with that outcome.
    void end(Worker &worker, Outcome outcome);
    void bury(pid_t pid);
    void reap();

    const Options options_;
    UniqueFd epoll_;
    Timers timers_;
    std::size_t limit_timer_, start_timer_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<pid_t> dying_;  // killed, and not yet ended
    std::deque<Question> waiting_;
    Clock::time_point start_due_{};  // no process is started before it
    Ticket last_ = 0;
    Throttle failure_said_;
};

}  // namespace ble
