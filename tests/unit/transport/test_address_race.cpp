#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "base/unique_fd.hpp"
#include "catch.hpp"
#include "transport/address_race.hpp"
#include "transport/steered_lookup.hpp"

using namespace ble;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr seconds generous(60);  // never reached by a test that passes
constexpr char alive[] = "127.0.0.1", dead[] = "127.0.0.2", dead_too[] = "127.0.0.3", nobody[] = "127.0.0.4";

sockaddr_in socket_address(const char *address, std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &out.sin_addr);
    return out;
}

UniqueFd listen_on(const char *address, std::uint16_t &port, int backlog) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto at = socket_address(address, port);
    socklen_t size = sizeof at;
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr *>(&at), size) == 0);
    REQUIRE(::listen(fd.get(), backlog) == 0);
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr *>(&at), &size) == 0);
    port = ntohs(at.sin_port);
    return fd;
}

// A port on which `alive` takes connections, `dead` and `dead_too` swallow them (their queues are full), and `nobody` refuses.
struct Net {
    std::uint16_t port = 0;
    UniqueFd listener = listen_on(alive, port, 8);
    std::vector<UniqueFd> others;

    Net() {
        for (const auto *address : {dead, dead_too}) {
            others.push_back(listen_on(address, port, 0));
            // One connection that nobody accepts is all that a queue of length 0 holds.
            const auto to = socket_address(address, port);
            others.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            REQUIRE(::connect(others.back().get(), reinterpret_cast<const sockaddr *>(&to), sizeof to) == 0);
        }
    }
    bool was_asked() const {
        pollfd ask{listener.get(), POLLIN, 0};
        return ::poll(&ask, 1, 0) > 0;
    }
    FoundAddress find(const std::vector<std::string> &ipv6, const std::vector<std::string> &ipv4,
                      const AddressMemory &memory = {}, milliseconds limit = generous) const {
        return find_address("name.test", port, memory, limit, [=](const std::string &, int family) {
            const auto &found = family == AF_INET6 ? ipv6 : ipv4;
            return LookedUp{found, found.empty() ? EAI_NONAME : 0};
        });
    }
};

AddressMemory worked(const std::string &address) {
    AddressMemory out;
    out.worked(address);
    return out;
}

}  // namespace

TEST_CASE("addresses go by turns, IPv6 first, then by what earlier attempts have shown") {
    AddressMemory memory;
    const std::vector<std::string> ipv6{"6a", "6b", "6c"}, ipv4{"4a", "4b"};
    using List = std::vector<std::string>;
    CHECK(order_addresses(ipv6, ipv4, memory) == List{"6a", "4a", "6b", "4b", "6c"});
    CHECK(order_addresses({}, ipv4, memory) == List{"4a", "4b"});
    CHECK(order_addresses({"x"}, {"x", "4a"}, memory) == List{"x", "4a"});
    memory.worked("4b");
    CHECK(order_addresses(ipv6, ipv4, memory) == List{"4b", "6a", "4a", "6b", "6c"});
    memory.failed("4b");
    memory.failed("6a");
    CHECK(order_addresses(ipv6, ipv4, memory) == List{"4a", "6b", "6c", "4b", "6a"});
    memory.failed("4b");
    CHECK(order_addresses(ipv6, ipv4, memory) == List{"4a", "6b", "6c", "6a", "4b"});
    memory.worked("6c");
    CHECK(order_addresses(ipv6, ipv4, memory) == List{"6c", "6a", "4a", "6b", "4b"});
}

TEST_CASE("addresses that swallow connections do not keep one that answers from being found") {
    const Net net;
    const auto begin = Clock::now();
    CHECK(net.find({dead}, {alive}).address == alive);
    CHECK(net.find({}, {dead, dead_too, alive}).address == alive);
    CHECK(net.find({dead, dead_too}, {nobody, alive}).address == alive);
    CHECK(net.find({nobody}, {alive}).address == alive);
    CHECK(Clock::now() - begin >= milliseconds(250 + 500));  // each has its time
    CHECK(Clock::now() - begin < generous / 2);
}

TEST_CASE("the address that worked goes first, before others that answer") {
    std::uint16_t port = 0;
    const UniqueFd one = listen_on(alive, port, 8), other = listen_on(nobody, port, 8);
    const auto lookup = [](const std::string &, int family) {
        return family == AF_INET6 ? LookedUp{{alive, nobody}, 0} : LookedUp{{}, EAI_NONAME};
    };
    CHECK(find_address("name.test", port, {}, generous, lookup).address == alive);
    CHECK(find_address("name.test", port, worked(nobody), generous, lookup).address == nobody);
    AddressMemory memory;
    memory.failed(alive);
    CHECK(find_address("name.test", port, memory, generous, lookup).address == nobody);
    CHECK(find_address("name.test", port, worked("127.9.9.9"), generous, lookup).address == alive);
}

TEST_CASE("the only address of a name, and an address itself, are not asked beforehand") {
    const Net net;
    CHECK(net.find({}, {alive}).address == alive);
    CHECK(net.find({}, {dead}).address == dead);
    CHECK_FALSE(net.was_asked());
    for (const auto *literal : {"127.0.0.1", "::1", "192.0.2.7"}) {
        const auto found = find_address(literal, net.port, {}, generous, [](const auto &, int) {
            FAIL("an address is looked up");
            return LookedUp{};
        });
        CHECK(found.address == literal);
    }
}

TEST_CASE("a name that cannot be used says which of its addresses do what") {
    const Net net;
    CHECK(net.find({}, {}).trouble == "unknown host name");
    const auto refused = net.find({nobody}, {"127.0.0.5"}).trouble;
    CHECK(refused.find("127.0.0.4: Connection refused") != std::string::npos);
    CHECK(refused.find("127.0.0.5: Connection refused") != std::string::npos);
    const auto silent = net.find({dead}, {nobody, dead_too}, {}, milliseconds(900));
    CHECK(silent.address.empty());
    CHECK(silent.trouble.find("127.0.0.2: no answer") != std::string::npos);
    CHECK(silent.trouble.find("127.0.0.3: no answer") != std::string::npos);
    const auto again = find_address("name.test", net.port, {}, generous, [](const auto &, int) {
        return LookedUp{{}, EAI_AGAIN};
    });
    CHECK(again.trouble.find("no name server answers") != std::string::npos);
}

TEST_CASE("a lookup that does not come back is not waited for when the other family is there") {
    struct Gate {
        std::mutex lock;
        std::condition_variable changed;
        bool open = false;
    };
    const Net net;
    const auto gate = std::make_shared<Gate>();
    const auto find = [&](int stuck, milliseconds limit) {
        return find_address("name.test", net.port, {}, limit, [gate, stuck](const std::string &, int family) {
            if (family != stuck) return LookedUp{{alive}, 0};
            std::unique_lock guard(gate->lock);
            gate->changed.wait(guard, [&] { return gate->open; });
            return LookedUp{{dead}, 0};
        });
    };
    CHECK(find(AF_INET6, generous).address == alive);
    CHECK(find(AF_INET, generous).address == alive);
    const auto none = find_address("name.test", net.port, {}, milliseconds(50), [gate](const auto &, int) {
        std::unique_lock guard(gate->lock);
        gate->changed.wait(guard, [&] { return gate->open; });
        return LookedUp{};
    });
    CHECK(none.trouble == "the host name cannot be looked up in time");
    const std::lock_guard guard(gate->lock);
    gate->open = true;
    gate->changed.notify_all();
}

TEST_CASE("a steered name has one address, for everybody who looks it up, until the steering ends") {
    const auto first = [](const char *name) -> std::string {
        addrinfo *list = nullptr;
        if (::getaddrinfo(name, nullptr, nullptr, &list) != 0) return "";
        char text[NI_MAXHOST] = "";
        ::getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
        ::freeaddrinfo(list);
        return text;
    };
    {
        const SteeredLookup steered("127.0.0.99", "192.0.2.1");
        CHECK(first("127.0.0.99") == "192.0.2.1");
        {
            const SteeredLookup newer("127.0.0.99", "2001:db8::1");
            CHECK(first("127.0.0.99") == "2001:db8::1");
        }
        std::string elsewhere;
        std::thread([&] { elsewhere = first("127.0.0.99"); }).join();
        CHECK(elsewhere == "192.0.2.1");
        CHECK(first("127.0.0.98") == "127.0.0.98");
        CHECK(look_up("127.0.0.99", AF_INET).addresses == std::vector<std::string>{"127.0.0.99"});
    }
    CHECK(first("127.0.0.99") == "127.0.0.99");
}
