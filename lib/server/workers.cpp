#include "server/workers.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ble {
namespace {

static_assert(Workers::longest_question < PIPE_BUF);
constexpr std::size_t piece = 65536;

struct Pipe {
    UniqueFd read, write;
};

Pipe make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw system_error("make a pipe");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// In a group of its own, with what it starts, and with signals as a program expects them: ours are blocked (Lifecycle).
class SpawnManner {
  public:
    SpawnManner(int in, int out) {
        ::posix_spawn_file_actions_init(&files_);
        ::posix_spawn_file_actions_adddup2(&files_, in, STDIN_FILENO);
        ::posix_spawn_file_actions_adddup2(&files_, out, STDOUT_FILENO);
        ::posix_spawnattr_init(&signals_);
        sigset_t none, usual;
        ::sigemptyset(&none);
        ::sigemptyset(&usual);
        ::sigaddset(&usual, SIGPIPE);
        ::posix_spawnattr_setsigmask(&signals_, &none);
        ::posix_spawnattr_setsigdefault(&signals_, &usual);
        ::posix_spawnattr_setflags(&signals_,
                                   POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    ~SpawnManner() {
        ::posix_spawn_file_actions_destroy(&files_);
        ::posix_spawnattr_destroy(&signals_);
    }
    SpawnManner(const SpawnManner &) = delete;
    SpawnManner &operator=(const SpawnManner &) = delete;

    int spawn(pid_t &pid, const std::vector<std::string> &command) const {
        std::vector<char *> words;
        for (const auto &word : command) words.push_back(const_cast<char *>(word.c_str()));
        words.push_back(nullptr);
        return ::posix_spawn(&pid, words.front(), &files_, &signals_, words.data(), environ);
    }

  private:
    posix_spawn_file_actions_t files_;
    posix_spawnattr_t signals_;
};

}  // namespace

Workers::Workers(Options options)
    : options_(std::move(options)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      limit_timer_(timers_.add([this] { end_late(); })),
      start_timer_(timers_.add([this] { give(); })) {
    epoll_event event{EPOLLIN, {}};
    event.data.ptr = nullptr;
    if (!epoll_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timers_.fd(), &event) != 0)
        throw system_error("make an epoll");
}

Workers::~Workers() {
    for (auto &worker : workers_) {
        ::kill(-worker->pid, SIGKILL);
        ::waitpid(worker->pid, nullptr, 0);
    }
}

std::optional<Workers::Ticket> Workers::ask(std::string question, Answered answered) {
    if (waiting_.size() >= options_.most_waiting) return std::nullopt;
    waiting_.push_back({++last_, std::move(question) + "\n", std::move(answered)});
    timers_.arm(start_timer_, std::chrono::microseconds(0));
    return last_;
}

void Workers::forget(Ticket ticket) {
    const auto of_ticket = [&](const Question &question) { return question.ticket == ticket; };
    waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), of_ticket), waiting_.end());
    for (auto &worker : workers_)
        if (worker->question && of_ticket(*worker->question)) worker->question->answered = {};
}

void Workers::step() {
    std::array<epoll_event, 16> events{};
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
        auto *worker = static_cast<Worker *>(events[static_cast<std::size_t>(i)].data.ptr);
        if (worker == nullptr)
            timers_.expire();
        else if (std::any_of(workers_.begin(), workers_.end(), [&](auto &w) { return w.get() == worker; }))
            read(*worker);
    }
    give();
}

// The questions that wait, to those that are free.
void Workers::give() {
    while (!waiting_.empty()) {
        Worker *worker = free_one();
        if (worker == nullptr && workers_.size() >= options_.most) break;
        if (worker == nullptr) worker = start();
        const auto &text = waiting_.front().text;
        const bool taken = worker != nullptr && ::write(worker->in.get(), text.data(), text.size()) ==
                                                    static_cast<ssize_t>(text.size());
        if (!taken && worker != nullptr && worker->has_answered) {
            end(*worker, Outcome::failed);  // it has ended since, and not by this question
            continue;
        }
        Question question = std::move(waiting_.front());
        waiting_.pop_front();
        if (taken) {
            worker->question = std::move(question);
            worker->due = Timers::Clock::now() + options_.limit;
        } else {
            if (worker != nullptr) end(*worker, Outcome::failed);
            if (question.answered) question.answered(Outcome::failed, {});
        }
    }
    watch_time();
}

Workers::Worker *Workers::free_one() {
    for (auto &worker : workers_)
        if (!worker->question) return worker.get();
    return nullptr;
}

// Null: the system does not start one, which is said now and then.
Workers::Worker *Workers::start() {
    auto worker = std::make_unique<Worker>();
    Pipe questions = make_pipe(), answers = make_pipe();
    epoll_event event{EPOLLIN, {}};
    event.data.ptr = worker.get();
    if (::fcntl(answers.read.get(), F_SETFL, O_NONBLOCK) != 0 ||
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, answers.read.get(), &event) != 0)
        throw system_error("set up a pipe");
    const int code =
        SpawnManner(questions.read.get(), answers.write.get()).spawn(worker->pid, options_.command);
    if (code != 0) {
        if (failure_said_.due())
            log_warning("unable to start " + options_.command.front() + ": " + std::strerror(code));
        return nullptr;
    }
    worker->in = std::move(questions.write);
    worker->out = std::move(answers.read);
    workers_.push_back(std::move(worker));
    return workers_.back().get();
}

void Workers::read(Worker &worker) {
    std::array<char, piece> buffer;
    const ssize_t got = ::read(worker.out.get(), buffer.data(), buffer.size());
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return end(worker, Outcome::failed);
    worker.answer.append(buffer.data(), static_cast<std::size_t>(got));
    if (worker.answer.size() > options_.longest) return end(worker, Outcome::too_long);
    if (worker.answer.back() != '\n') return;
    if (!worker.question) return end(worker, Outcome::failed);  // it talks unasked
    worker.answer.pop_back();
    const auto question = std::exchange(worker.question, std::nullopt);
    const std::string answer = std::exchange(worker.answer, {});
    worker.has_answered = true;
    if (question->answered) question->answered(Outcome::answered, answer);
}

void Workers::watch_time() {
    auto due = Timers::Clock::time_point::max();
    for (const auto &worker : workers_)
        if (worker->question) due = std::min(due, worker->due);
    if (due == Timers::Clock::time_point::max()) return timers_.disarm(limit_timer_);
    timers_.arm(limit_timer_,
                std::chrono::ceil<std::chrono::microseconds>(std::max(due - Timers::Clock::now(), {})));
}

void Workers::end_late() {
    const auto now = Timers::Clock::now();
    const auto late = [&](const auto &worker) { return worker->question && worker->due <= now; };
    for (auto found = workers_.end();
         (found = std::find_if(workers_.begin(), workers_.end(), late)) != workers_.end();)
        end(**found, Outcome::late);
}

void Workers::end(Worker &worker, Outcome outcome) {
    const auto found =
        std::find_if(workers_.begin(), workers_.end(), [&](auto &w) { return w.get() == &worker; });
    const auto ended = std::move(*found);
    workers_.erase(found);
    ::kill(-ended->pid, SIGKILL);  // it may be ended already
    ::waitpid(ended->pid, nullptr, 0);
    if (!ended->question) return;
    // One that was well until then: the question may not be why. A new process, which has not answered yet, shows it.
    if (outcome == Outcome::failed && ended->has_answered) {
        waiting_.push_front(std::move(*ended->question));
        timers_.arm(start_timer_, std::chrono::microseconds(0));
    } else if (ended->question->answered) {
        ended->question->answered(outcome, {});
    }
}

}  // namespace ble
