// What a database is asked for people (lib/store/questions.hpp): each question is one statement, and all databases give the same columns.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ble {

// The columns of each, in order, are with its mapping in lib/store/question_mapping.cpp.
enum class Question {
    device,       // the id of the one named `text`
    place,        // is one named `place`?
    advertisers,  // whose hash begins with `text`
    listened,     // did anybody?
    pis,
    presence,  // by `reads`
    track,  // of `advertisers`, by `reads`, details or rollups: these for steps of whole five minutes, without the first and last time in each
    told,   // the details of `advertisers`, those of the latest detections first
    expired,    // was anything deleted of a day of that time?
    cut,        // are rollups of a day of that time deleted in part?
    unsettled,  // hours of that time in which something changed since rollups_hour was made
    deleted,    // are detections of the five minutes from `since` on deleted that are still in the rollups?
    occupancy,  // by `reads`; the latest steps, and all of each but the first of these
    occupancy_by_device,  // the same Pi by Pi, for all reads but counts
    stretches,
    gaps,    // of which it is known when they were
    losses,  // of the view `missing`
    top,     // by `reads`
};

// Which rows answer who was where, and how many.
enum class Reads : std::uint8_t {
    details,  // detections alone
    rollups,  // rollups as far as they go, else detections; times in them are those at which five minutes began
    few,      // the same, of some places: rows of other places are not read
    of_pi,    // the same, of one Pi
    counts,  // for steps of 5, 60 or 1440 minutes of all Pis: the numbers of each place, but for steps that changed since they were counted
};

// What is asked of all rows. Times and lengths of time in milliseconds since 1970.
struct Asked {
    std::int64_t since = 0, until = 0;  // from the one, before the other
    std::optional<std::int64_t> device;
    std::optional<std::string> place;  // the name or the location
    std::int64_t most = 1, every = 1;
    bool by_device = false;  // occupancy_by_device
    std::vector<std::int64_t> advertisers;
    std::string text;
    Reads reads = Reads::details;
    // Of questions that rollups answer (lib/store/whole_parts.hpp): the part of the time that is whole five minutes, and of this, whole days.
    std::int64_t whole_since = 0, whole_until = 0, days_since = 0, days_until = 0;
    // Of presence and top: what is read of it before and after the days, by the numbers of hours and of five minutes.
    std::vector<std::int64_t> hours = {}, buckets = {};
};

// The present row. Columns are numbered from 0.
class Columns {
  public:
    virtual ~Columns() = default;
    virtual std::optional<std::int64_t> number(int column) const = 0;
    virtual std::optional<std::string> text(int column) const = 0;
};

// One thread. Throws DatabaseError. All between begin() and end() is of one moment; nothing is written.
class QuestionRows {
  public:
    using Sink = std::function<void(const Columns &)>;

    virtual ~QuestionRows() = default;

    // From now on, all until end() together may take that long: then, or when the program is asked to stop, DatabaseError(trouble).
    virtual void begin(std::chrono::milliseconds longest) = 0;
    virtual void end() = 0;
    virtual void give_up() noexcept = 0;  // end(), after an error

    virtual void ask(Question question, const Asked &asked, const Sink &sink) = 0;
};

}  // namespace ble
