// The broadcaster without its network: events go in once, and each subscriber takes the next ones at its own pace. One that
// falls behind gets the number that it missed and goes on with the newest; nobody waits for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "batch/batch.hpp"
#include "batch/subscribe.hpp"
#include "server/event_ring.hpp"
#include "server/snapshot.hpp"

namespace ble {

enum class Framing {
    message,  // one event a WebSocket message; when several wait, their frames one after the other
    lines,    // as many events as wait, joined by LF
    stream,   // server-sent events: "id: …", "data: …", an empty line; as many as wait
};

// What the feed knows of one client. Kept by the caller, at one address, from join() to leave().
struct Subscriber {
    Framing framing = Framing::message;
    std::unique_ptr<Subscription> filter;      // none: everything
    std::uint64_t next = 0;                    // position in the ring
    std::uint64_t missed = 0;                  // not yet told
    std::vector<std::string> notes;            // events for it alone, to be sent before all else
    std::optional<Snapshot::Cursor> snapshot;  // being sent
};

// To be sent in one write. `data` has frame_padding writable bytes before it and stays until the next call of the feed.
struct Message {
    char *data = nullptr;
    std::size_t size = 0;  // 0: nothing waits
    bool framed =
        false;  // WebSocket frames, headers included (RFC 6455, 5.2); else the text of one message or of a stream
    std::size_t events = 0;    // of the ring and of the snapshot
    std::uint64_t missed = 0;  // told in it
};

class Feed {
  public:
    struct Limits {
        std::size_t events = 1024;       // a subscriber may be behind
        std::size_t bytes = 64u << 20;   // of these events, together
        std::size_t joined = 64u << 10;  // bytes of several events in one write; a longer event goes alone
        std::size_t devices = 1000, gaps = 64;  // in the snapshot
        std::size_t snapshot_bytes = 32u << 20;
    };
    explicit Feed(const Limits &limits);

    // An event, or a bare batch or gap line, which becomes its event. False: neither. Bytes stay as they are, but a CR (a
    // blank in JSON, the end of a line for SSE) becomes a blank.
    bool publish(std::string_view line);
    // The end of its window, of the last event that told of detections.
    const std::optional<Time> &newest_window() const { return newest_window_; }
    // For everybody, but not in the snapshot. `event` must be one.
    void announce(std::string_view event);

    // The subscriber gets the event `greeting`, then what is current, then connection_status "live", then what comes.
    // `last_id`: of the last event it had (SSE): it gets what came since instead, when that is known.
    void join(Subscriber &subscriber, std::string greeting, std::string_view last_id = {});
    void leave(Subscriber &subscriber);
    // From now on through this filter; then as in join().
    void filter(Subscriber &subscriber, Subscription filter, std::string greeting);

    bool waiting(const Subscriber &subscriber) const {
        return subscriber.next < ring_.end() || subscriber.snapshot || !subscriber.notes.empty() ||
               subscriber.missed > 0;
    }
    // How many events of the ring stand before it.
    std::uint64_t behind(const Subscriber &subscriber) const { return ring_.end() - subscriber.next; }
    // Takes the next message out. An empty one also when nothing that waited passes its filter.
    Message next(Subscriber &subscriber);

    // The latest detections of each device, the oldest first.
    std::vector<Frame> devices() const { return snapshot_.devices(); }
    std::size_t subscribers() const { return subscribers_; }
    std::uint64_t events() const { return ring_.end() - 1; }
    const EventRing &ring() const { return ring_; }

  private:
    struct Piece {
        Frame frame;           // the bytes, or
        std::string own;       // the bytes when frame is empty
        std::uint64_t id = 0;  // position in the ring; 0: no event of the ring
        bool event = false;
        std::uint64_t missed = 0;
        std::string_view text() const { return frame ? text_of(frame) : std::string_view(own); }
    };

    void evict();
    void begin(Subscriber &subscriber, std::string greeting);
    bool passes(const Subscriber &subscriber, const Frame &frame, std::string &cut);
    bool take(Subscriber &subscriber, Piece &piece);
    void take_snapshot(Subscriber &subscriber, Piece &piece);
    void skip_to_newest(Subscriber &subscriber);
    Message join_waiting(Subscriber &subscriber);
    Message joined_ring(Subscriber &subscriber);
    void append(std::string &out, Framing framing, std::string_view text, std::uint64_t id) const;
    Message finish(std::string &buffer, Framing framing, std::size_t events) const;

    Limits limits_;
    std::optional<Time> newest_window_;
    std::string epoch_;  // of this process: positions of another mean nothing here
    EventRing ring_;
    Snapshot snapshot_;
    EventReader reader_;
    BatchParser batches_;
    std::size_t subscribers_ = 0;
    std::unordered_set<Subscriber *> filtered_;
    Frame viewed_;  // subscribers are mostly at the same event: it is parsed once for all of them
    EventView view_;
    std::string scratch_;
    struct Joined {  // likewise the message of several events
        Framing framing = Framing::message;
        std::uint64_t from = 0, to = 0, built_at = 0;
        std::string bytes;
    } joined_;
};

}  // namespace ble
