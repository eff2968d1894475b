// Who ends the links to a broker: one message that it will not take, or the broker itself, which is down, restarts or crashes?
//
// When three links in a row end while the same message has no answer, all that was sent on the last goes one at a time. Not only the
// first without one is looked at: a broker that ends a link takes some answers with it, each time others, and what is not confirmed
// from end to end is sent again all the same. What ends links alone becomes a suspect: it is tried behind the others and by itself. While there are suspects each link
// begins with controls, 0 to 7 copies of a message that the broker has taken. A suspect is guilty when eight links have ended at
// it, each after the broker had taken something else there, and none has ended at anything else, or at nothing, in between.
//
// Nobody but us knows how many controls come first. So a broker that dies at a certain publish or at its own times ends a link
// at the suspect, and not before it, once in eight at most, and takes the suspect as often or ends links elsewhere; eight in a
// row, before either: 8^-7. A broker that is down or dies at every publish takes no control, which is no sign of guilt at all.
// A large message is longer on its way than a control, where links fail by themselves: an end after more than a second counts only
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
        retry,   // nothing can be said of it
        part,    // it was alone on its way, and holds several lines: one of them, or their number
        later,   // a suspect
        guilty,  // the broker takes others and ends the link at this one
    };

    explicit LinkJudge(std::uint64_t seed = std::random_device{}()) : random_(seed) {}

    // A link is up; so many controls go first. Without one (nothing was taken yet) nobody is found guilty on this link, but by
    // a reason that the broker gives.
    std::size_t begin_link(Clock::time_point now, bool has_control);
    // How long to hold this message back, so that the link has lived for half as long again as the message took to end the last
    // one; 0 for most. If the link ends meanwhile, the message was not on its way.
    Clock::duration wait_before(std::uint64_t id, Clock::time_point now) const;
    void take_control() { ++taken_; }
    void take(std::uint64_t id);  // the broker has answered this message
    // The link has ended, for this reason of MQTT 5 (0: none), while these had no answer, in the order they were sent; empty as
    // well when a control had none. The verdict is about the first.
    Verdict end_link(std::span<const Sent> open, int reason, Clock::time_point now);

    // The link ends while these have no answer: may one of them be why? One that was on its way at the last end too, or any
    // while there are suspects.
    bool suspects(std::span<const Sent> open) const;

    bool one_at_a_time() const { return alone_ > 0; }
    // To wait long before the next link helps nobody: the one that has ended told of a suspect, or may be one of a few more that
    // are needed to. Of these so many are quick, and one more for each message that is taken; asking counts as one.
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
