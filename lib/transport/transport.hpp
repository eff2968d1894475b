// Transport: how blesend delivers messages. One implementation per protocol; the table in transport.cpp names them.
//
// One thread calls all members (a library's own threads stay inside the implementation). No member blocks longer than a
// local system call, the destructor at most one second.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ble {

struct TransportOptions;

enum class Outcome {
    delivered,  // the peer has accepted it: PUBACK, 200, 201
    retry,  // not delivered: link lost, peer busy, publish denied for now. Send it again, in order, when window() allows
    later,    // as retry, but it may be this one's fault: send the others first, and then this one alone
    refused,  // the peer will never take this message (400, 413, 422): set it aside, or split it
};

struct Result {
    std::uint64_t id;
    Outcome outcome;
    std::string reason;  // for a log line; empty when delivered
};

class Transport {
  public:
    virtual ~Transport() = default;

    // Begins to connect, and keeps trying for ever; the first attempt may fail. Call once.
    virtual void start() = 0;
    // Readable (level-triggered): call step().
    virtual int fd() const = 0;
    // step() must also be called after at most this long; negative: no timer is running.
    virtual std::chrono::milliseconds timeout() const = 0;
    // Does what is due and returns the results since the last call. Every message that send() took ends in exactly one
    // result, in any order. When the link is lost each outstanding message ends, in `retry` unless it is the reason.
    virtual std::vector<Result> step() = 0;
    // How many messages may be outstanding now, in all; 0 while not connected or while backing off. It may shrink below the number outstanding.
    virtual std::size_t window() const = 0;
    // The destination of a line: only lines with the same one may share a message.
    virtual std::string destination(std::string_view) { return {}; }
    // Takes a message: a batch, or several joined by LF. `payload` is copied or sent before this returns. Only while fewer than window() are outstanding.
    virtual void send(std::uint64_t id, std::string_view payload) = 0;
    // What is sent between the two may leave together, with the second at the latest: many messages in few packets.
    virtual void cork() {}
    virtual void uncork() {}
    // Takes the secrets of `options`, which may have changed, for the next link; a waiting link then tries soon.
    virtual void renew(const TransportOptions &options) = 0;
    // Is the peer there? For the status line: "connected to HOST:PORT", "HOST:PORT: connection refused, next try in 4 s".
    virtual bool connected() const = 0;
    virtual std::string status() const = 0;
};

// The names of --mode, the default first.
std::vector<std::string> transport_modes();
// `mode` is one of them. The options are valid: see transport_options.hpp.
std::unique_ptr<Transport> make_transport(const std::string &mode, const TransportOptions &options);

}  // namespace ble
