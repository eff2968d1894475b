#include "transport/address_race.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "transport/steered_lookup.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds resolution_delay(50), attempt_delay(250);  // RFC 8305, section 8
constexpr std::size_t most_remembered = 32;
constexpr std::size_t most_told = 4;

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

AddressList resolve(const std::string &name, const char *service, int family, int flags, int &error) {
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo *list = nullptr;
    error = look_up_unsteered(name.c_str(), service, &hints, &list);
    return {error == 0 ? list : nullptr, ::freeaddrinfo};
}

bool is_address(const std::string &name) {
    int error = 0;
    return resolve(name, nullptr, AF_UNSPEC, AI_NUMERICHOST, error) != nullptr;
}

// What the two lookups have found so far. Shared with their threads, which may outlive the race.
struct Answers {
    std::mutex lock;
    std::optional<LookedUp> ipv6, ipv4;
    Clock::time_point since = Clock::time_point::max();  // when the first of them had found something
    UniqueFd wake{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
};

void ask(const std::shared_ptr<Answers> &answers, const std::string &name, int family, const Lookup &lookup) {
    std::thread([answers, name, family, lookup] {
        LookedUp found = lookup(name, family);
        const std::lock_guard guard(answers->lock);
        if (!found.addresses.empty()) answers->since = std::min(answers->since, Clock::now());
        (family == AF_INET6 ? answers->ipv6 : answers->ipv4) = std::move(found);
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto put = ::write(answers->wake.get(), &one, sizeof one);
    }).detach();
}

class Race {
  public:
    Race(std::uint16_t port, const AddressMemory &memory, std::shared_ptr<Answers> answers,
         Clock::time_point end)
        : port_(std::to_string(port)), memory_(memory), answers_(std::move(answers)), end_(end) {}

    FoundAddress run();

  private:
    struct Attempt {
        std::string address;
        UniqueFd socket;  // none: it has failed
        std::string trouble = "no answer";
    };

    void look();
    Clock::time_point due() const;
    const std::string *next() const;
    void begin(const std::string &address);
    void wait();
    bool tried_all() const;
    std::string trouble() const;

    std::string port_;
    const AddressMemory &memory_;
    std::shared_ptr<Answers> answers_;
    Clock::time_point end_, begun_{};
    std::vector<std::string> known_;
    bool complete_ = false;
    Clock::time_point may_begin_at_ = Clock::time_point::max();
    int error_ = 0;  // of the lookups, when both have found nothing
    std::vector<Attempt> attempts_;
    std::string winner_;
};

// What is known by now, and whether it is time to begin. The RFC (section 3) lets IPv4 wait for IPv6; here each waits for the
// other, which may have the address that worked.
void Race::look() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(answers_->wake.get(), &count, sizeof count);
    const std::lock_guard guard(answers_->lock);
    const auto &ipv6 = answers_->ipv6, &ipv4 = answers_->ipv4;
    known_ = order_addresses(ipv6 ? ipv6->addresses : std::vector<std::string>(),
                             ipv4 ? ipv4->addresses : std::vector<std::string>(), memory_);
    complete_ = ipv6 && ipv4;
    if (complete_) error_ = ipv4->error == EAI_AGAIN || ipv6->error == EAI_AGAIN ? EAI_AGAIN : ipv4->error;
    if (!known_.empty()) may_begin_at_ = complete_ ? answers_->since : answers_->since + resolution_delay;
}

const std::string *Race::next() const {
    const auto untried = [&](const std::string &address) {
        return std::none_of(attempts_.begin(), attempts_.end(),
                            [&](const auto &a) { return a.address == address; });
    };
    const auto found = std::find_if(known_.begin(), known_.end(), untried);
    return found == known_.end() ? nullptr : &*found;
}

void Race::begin(const std::string &address) {
    begun_ = Clock::now();
    Attempt &attempt = attempts_.emplace_back(Attempt{address, UniqueFd()});
    int error = 0;
    const auto list = resolve(address, port_.c_str(), AF_UNSPEC, AI_NUMERICHOST | AI_NUMERICSERV, error);
    if (list == nullptr) {
        attempt.trouble = ::gai_strerror(error);
        return;
    }
    attempt.socket = UniqueFd(::socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (attempt.socket &&
        (::connect(attempt.socket.get(), list->ai_addr, list->ai_addrlen) == 0 || errno == EINPROGRESS))
        return;
    attempt.trouble = std::strerror(errno);
    attempt.socket = UniqueFd();
}

// When there is something to do without any news; the race ends at end_ in any case.
Clock::time_point Race::due() const {
    if (next() == nullptr) return end_;
    const bool waits = !attempts_.empty() && attempts_.back().socket;
    const auto in_turn = waits ? begun_ + attempt_delay : Clock::time_point::min();
    return std::min(end_, std::max(may_begin_at_, in_turn));
}

// Until due(), or for news of a lookup or an attempt.
void Race::wait() {
    std::vector<pollfd> asked{{answers_->wake.get(), POLLIN, 0}};
    for (const auto &attempt : attempts_)
        asked.push_back({attempt.socket ? attempt.socket.get() : -1, POLLOUT, 0});
    const auto now = Clock::now(), at = std::max(now, due());
    ::poll(asked.data(), asked.size(), static_cast<int>(std::chrono::ceil<milliseconds>(at - now).count()));
    for (std::size_t i = 0; i < attempts_.size(); ++i) {
        if (asked[i + 1].revents == 0) continue;
        Attempt &attempt = attempts_[i];
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(attempt.socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error == 0 && winner_.empty()) winner_ = attempt.address;
        attempt.trouble = std::strerror(error);
        attempt.socket = UniqueFd();
    }
}

bool Race::tried_all() const {
    return complete_ && next() == nullptr &&
           std::none_of(attempts_.begin(), attempts_.end(), [](const auto &a) { return bool(a.socket); });
}

std::string Race::trouble() const {
    if (complete_ && known_.empty())
        return error_ == EAI_AGAIN ? "the host name cannot be looked up: no name server answers"
                                   : "unknown host name";
    if (attempts_.empty()) return "the host name cannot be looked up in time";
    std::string text = "none of its addresses can be reached (";
    for (std::size_t i = 0; i < attempts_.size() && i < most_told; ++i)
        text += (i == 0 ? "" : "; ") + attempts_[i].address + ": " + attempts_[i].trouble;
    return text + (attempts_.size() > most_told ? "; …)" : ")");
}

FoundAddress Race::run() {
    for (;;) {
        look();
        if (complete_ && known_.size() == 1) return {known_.front(), ""};
        if (next() != nullptr && Clock::now() >= due()) begin(*next());
        if (tried_all() || Clock::now() >= end_) return {"", trouble()};
        wait();
        if (!winner_.empty()) return {winner_, ""};
    }
}

}  // namespace

void AddressMemory::worked(const std::string &address) {
    first_ = address;
    last_.clear();
}

void AddressMemory::failed(const std::string &address) {
    if (address == first_) first_.clear();
    last_.erase(std::remove(last_.begin(), last_.end(), address), last_.end());
    last_.push_back(address);
    if (last_.size() > most_remembered) last_.erase(last_.begin());
}

int AddressMemory::rank(const std::string &address) const {
    if (address == first_) return -1;
    const auto found = std::find(last_.begin(), last_.end(), address);
    return found == last_.end() ? 0 : 1 + static_cast<int>(found - last_.begin());
}

LookedUp look_up(const std::string &name, int family) {
    LookedUp out;
    const auto list = resolve(name, nullptr, family, 0, out.error);
    for (const addrinfo *one = list.get(); one != nullptr; one = one->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
            out.addresses.emplace_back(text);
    }
    return out;
}

std::vector<std::string> order_addresses(const std::vector<std::string> &ipv6,
                                         const std::vector<std::string> &ipv4, const AddressMemory &memory) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < std::max(ipv6.size(), ipv4.size()); ++i)
        for (const auto *family : {&ipv6, &ipv4})
            if (i < family->size() && std::find(out.begin(), out.end(), (*family)[i]) == out.end())
                out.push_back((*family)[i]);
    std::stable_sort(out.begin(), out.end(),
                     [&](const auto &a, const auto &b) { return memory.rank(a) < memory.rank(b); });
    return out;
}

FoundAddress find_address(const std::string &name, std::uint16_t port, const AddressMemory &memory,
                          milliseconds limit, const Lookup &lookup) {
    if (is_address(name)) return {name, ""};
    const auto end = Clock::now() + limit;
    try {
        const auto answers = std::make_shared<Answers>();
        if (!answers->wake) throw system_error("make an eventfd");
        ask(answers, name, AF_INET6, lookup);
        ask(answers, name, AF_INET, lookup);
        return Race(port, memory, answers, end).run();
    } catch (const std::exception &error) {  // no descriptors, no threads: perhaps there are the next time
        return {"", error.what()};
    }
}

}  // namespace ble
