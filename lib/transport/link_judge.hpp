// Why do the links to a broker end: because of one message that it does not take, or because the broker is down, restarts or crashes?
//
// When three links in a row end while the same message has no answer, all messages of the last link are sent one at a time. All of them, not only the
// first one without an answer: when a broker ends a link some answers are lost, each time others, and without end-to-end confirmation
// messages are sent again anyway. A message that ends links alone becomes a suspect: it is tried after the others and by itself. While there are suspects, each link
// begins with controls: 0 to 7 copies of a message that the broker has taken. A suspect is guilty when eight links have ended at
// it, each after the broker had taken something else there, and none has ended elsewhere in between.
//
// Only we know how many controls come first. So a broker that dies at a certain publish, or at times of its own, ends a link
// exactly at the suspect at most once in eight links, and otherwise takes the suspect or ends links elsewhere. The probability of eight
// in a row is 8^-7. A broker that is down or dies at every publish takes no control, and that never counts as guilt.
// A large message takes longer to send than a control, so links that fail by themselves fail more often at it: an end after more than a second counts only
// if the link had lived for as long before. So a suspect that took longer is held back on the next link: see wait_before().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <span>

namespace ble {

class LinkJudge {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t most_controls = 7, trials = 8;
    static constexpr std::size_t most_quick = 64;  // links

    struct Sent {  // a message without an answer
        std::uint64_t id;
        std::size_t lines;  // that share it
        Clock::time_point since;
    };
    enum class Verdict {
        retry,   // nothing is known about it
        part,    // it was sent alone, and has several lines: one of them is the reason, or their number
        later,   // a suspect
        guilty,  // the broker takes others and ends the link at this one
    };

    explicit LinkJudge(std::uint64_t seed = std::random_device{}()) : random_(seed) {}

    // A link is up. Returns how many controls to send first. Without a control (nothing was taken yet) a message is found guilty
    // only if the broker gives a reason.
    std::size_t begin_link(Clock::time_point now, bool has_control);
    // How long to hold this message back, so that the link has lived for half as long again as the message took to end the last
    // one; 0 for most. If the link ends meanwhile, the message was not sent.
    Clock::duration wait_before(std::uint64_t id, Clock::time_point now) const;
    void take_control() { ++taken_; }
    void take(std::uint64_t id);  // the broker has answered this message
    // The link has ended, for this reason of MQTT 5 (0: none), while these had no answer, in the order they were sent; empty as
    // well when a control had none. The verdict is about the first.
    Verdict end_link(std::span<const Sent> open, int reason, Clock::time_point now);

    // The link ends while these have no answer: may one of them be the reason? One that had no answer at the last end either, or any
    // while there are suspects.
    bool suspects(std::span<const Sent> open) const;

    bool one_at_a_time() const { return alone_ > 0; }
    // Should the next link come soon? Yes, if the one that has ended showed a suspect, or a few more are needed to find
    // one. At most `most_quick` of these, and one more for each message that is taken; each call counts as one.
    bool retry_soon();

  private:
    Verdict judge(std::span<const Sent> open, int reason, Clock::time_point now);
    void acquit();
    std::size_t most_ends() const;
    bool counts(const Sent &suspect, Clock::time_point now) const;

    struct Suspect {
        std::size_t links = 0;      // that it has ended
        Clock::duration took = {};  // the last time
    };
    std::map<std::uint64_t, Suspect> suspects_;  // as many as there are bad messages
    std::size_t alone_ = 0;                      // so many messages to come go one at a time
    std::map<std::uint64_t, std::size_t>
        ends_;               // what had no answer at the last end, and at how many in a row
    std::size_t taken_ = 0;  // on this link
    bool has_control_ = false;
    bool told_ = false;     // the last link's end has brought a suspect nearer to its verdict
    bool of_link_ = false;  // it had a reason that is about the link
    std::size_t quick_ = most_quick;
    Clock::time_point begun_;
    std::mt19937_64 random_;
};

}  // namespace ble
