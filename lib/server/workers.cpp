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

namespace ble {
namespace {

static_assert(Workers::longest_question < PIPE_BUF);
constexpr std::size_t piece = 65536;
constexpr std::chrono::milliseconds look_at_the_dead(100);

struct Pipe {
    UniqueFd read, write;
};

Pipe make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw system_error("make a pipe");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::vector<char *> pointers(const std::vector<std::string> &words) {
    std::vector<char *> all;
    all.reserve(words.size() + 1);
    for (const auto &word : words) all.push_back(const_cast<char *>(word.c_str()));
    all.push_back(nullptr);
    return all;
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

    pid_t spawn(const std::vector<std::string> &command, const std::vector<std::string> &environment) const {
        pid_t pid = 0;
        const int code = ::posix_spawn(&pid, command.front().c_str(), &files_, &signals_,
                                       pointers(command).data(), pointers(environment).data());
        if (code == 0) return pid;
        errno = code;
        throw system_error("start " + command.front());
    }

  private:
    posix_spawn_file_actions_t files_;
    posix_spawnattr_t signals_;
};

}  // namespace

std::vector<std::string> environment_without(std::string_view prefix) {
    std::vector<std::string> kept;
    for (char **entry = environ; *entry != nullptr; ++entry) {
        const auto begins = [entry](std::string_view with) {
            return std::string_view(*entry).starts_with(with);
        };
        if (!begins(prefix) && !begins("NOTIFY_SOCKET=") && !begins("WATCHDOG_")) kept.emplace_back(*entry);
    }
    return kept;
}

void Workers::check(const Options &options) {
    auto command = options.command;
    command.emplace_back("--check");
    const UniqueFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!nothing) throw system_error("open /dev/null");
    const pid_t pid = SpawnManner(nothing.get(), nothing.get()).spawn(command, options.environment);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw Error(ExitCode::config, command.front() + " rejects these settings");
}

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
    for (auto &worker : workers_) bury(worker->pid);
}

std::optional<Workers::Ticket> Workers::ask(std::string question, Answered answered) {
    if (waiting_.size() >= options_.most_waiting) return std::nullopt;
    waiting_.push_back(
        {++last_, std::move(question) + "\n", std::move(answered), Clock::now() + options_.longest_wait});
    timers_.arm(start_timer_, std::chrono::microseconds(0));
    return last_;
}

bool Workers::withdraw(Ticket ticket) {
    const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](const Question &question) { return question.ticket == ticket; });
    if (found == waiting_.end()) return false;
    waiting_.erase(found);
    return true;
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
    reap();
    while (!waiting_.empty()) {
        Worker *worker = free_one();
        if (worker == nullptr && workers_.size() + dying_.size() >= options_.most) break;
        if (worker == nullptr && Clock::now() >= start_due_) worker = start();
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
            question.due = Clock::now() + options_.limit;
            worker->question = std::move(question);
        } else {
            if (worker != nullptr) end(*worker, Outcome::failed);
            question.answered(Outcome::failed, {});
        }
    }
    watch_time();
}

Workers::Worker *Workers::free_one() {
    for (auto &worker : workers_)
        if (!worker->question) return worker.get();
    return nullptr;
}

// Null: the system does not start one, which passes, and is said now and then.
Workers::Worker *Workers::start() try {
    auto worker = std::make_unique<Worker>();
    Pipe questions = make_pipe(), answers = make_pipe();
    epoll_event event{EPOLLIN, {}};
    event.data.ptr = worker.get();
    if (::fcntl(answers.read.get(), F_SETFL, O_NONBLOCK) != 0 ||
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, answers.read.get(), &event) != 0)
        throw system_error("set up a pipe");
    worker->pid =
        SpawnManner(questions.read.get(), answers.write.get()).spawn(options_.command, options_.environment);
    worker->in = std::move(questions.write);
    worker->out = std::move(answers.read);
    workers_.push_back(std::move(worker));
    return workers_.back().get();
} catch (const Error &error) {
    start_due_ = Clock::now() + options_.pause;
    if (failure_said_.due()) log_warning(error.what());
    return nullptr;
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
    question->answered(Outcome::answered, answer);
}

void Workers::watch_time() {
    auto due = Clock::time_point::max();
    for (const auto &worker : workers_)
        if (worker->question) due = std::min(due, worker->question->due);
    for (const auto &question : waiting_) due = std::min(due, question.due);
    if (!dying_.empty()) due = std::min(due, Clock::now() + look_at_the_dead);
    if (due == Clock::time_point::max()) return timers_.disarm(limit_timer_);
    timers_.arm(limit_timer_, std::chrono::ceil<std::chrono::microseconds>(
                                  std::max(due - Clock::now(), Clock::duration(0))));
}

void Workers::end_late() {
    const auto now = Clock::now();
    const auto late = [&](const auto &worker) { return worker->question && worker->question->due <= now; };
    for (auto found = workers_.end();
         (found = std::find_if(workers_.begin(), workers_.end(), late)) != workers_.end();)
        end(**found, Outcome::late);
    while (!waiting_.empty() && waiting_.front().due <= now) {
        const Question question = std::move(waiting_.front());
        waiting_.pop_front();
        question.answered(Outcome::late, {});
    }
}

void Workers::end(Worker &worker, Outcome outcome) {
    const auto found =
        std::find_if(workers_.begin(), workers_.end(), [&](auto &w) { return w.get() == &worker; });
    const auto ended = std::move(*found);
    workers_.erase(found);
    bury(ended->pid);
    // One that never answered will not do so at once: its program or its settings are wrong, and each start costs.
    if (outcome == Outcome::failed && !ended->has_answered) start_due_ = Clock::now() + options_.pause;
    if (!ended->question) return;
    // One that was well until then: the question may not be why. A new process, which has not answered yet, shows it.
    if (outcome == Outcome::failed && ended->has_answered) {
        ended->question->due = Clock::now() + options_.longest_wait;
        waiting_.push_front(std::move(*ended->question));
        timers_.arm(start_timer_, std::chrono::microseconds(0));
    } else {
        ended->question->answered(outcome, {});
    }
}

// It may be ended already. One that waits for a disk cannot end before that answers: it is not waited for.
void Workers::bury(pid_t pid) {
    ::kill(-pid, SIGKILL);
    if (::waitpid(pid, nullptr, WNOHANG) == 0) dying_.push_back(pid);
}

void Workers::reap() {
    std::erase_if(dying_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

}  // namespace ble
