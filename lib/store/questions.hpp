// What people ask a store; read-only. The same questions to each database, with the same answers. Each answer is of one moment, and
// limited in time and rows.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "store/answers.hpp"
#include "store/rows/question_rows.hpp"

namespace ble {

struct QuestionLimits {
    std::chrono::milliseconds longest{10'000};  // for each question
    std::int64_t rows = 1'000;                  // where there are more, those of the latest times
};

// What a question is about.
struct Scope {
    Time since{}, until{};                     // from the one, before the other
    std::optional<std::string> device, place;  // of this Pi; of this name or location
    std::chrono::milliseconds every =
        std::chrono::minutes(5);  // steps, which begin at multiples of that since 1970
    bool by_device = false;       // occupancy Pi by Pi, else place by place
    Time present = now();
};

// There is no Pi, no place or no advertiser of that name.
class Unknown : public Error {
  public:
    explicit Unknown(const std::string &text) : Error(ExitCode::unavailable, text) {}
};

// Several advertisers begin so.
class Ambiguous : public Error {
  public:
    explicit Ambiguous(const std::string &text) : Error(ExitCode::usage, text) {}
};

// It takes longer than it may.
class TooSlow : public Error {
  public:
    explicit TooSlow(const std::string &text) : Error(ExitCode::temporary, text) {}
};

// One thread. All questions throw Unknown, TooSlow, StoreTrouble when the database cannot be read for now, or Error.
class Questions {
  public:
    Questions(std::unique_ptr<QuestionRows> rows, QuestionLimits limits)
        : rows_(std::move(rows)), limits_(limits) {}

    void limit_rows(std::int64_t rows) { limits_.rows = rows; }  // of each question from then on

    Answers<PiState> pis(const Scope &scope);  // by name; its times do not matter
    // The strongest first. Of more than an hour, times are those at which five minutes began, as far as rollups tell them; so in top().
    Answers<Presence> presence(const Scope &scope);
    // One advertiser, by its hash or a beginning of it that no other has (else Ambiguous); several hashes, of which some may be unknown: one
    // whose key changes. What it told of itself is looked for in the last three of the five minutes in which it was heard.
    Answers<TrackPoint> track(const std::vector<std::string> &hashes, const Scope &scope);
    Answers<Occupied> occupancy(const Scope &scope);
    Answers<CoverageStretch> coverage(const Scope &scope);  // Pi by Pi
    // Of batches, those that were lost or noticed in that time; of Pis, those that are silent at the present.
    Answers<Missing> missing(const Scope &scope);  // the latest first
    Answers<TopAdvertiser> top(const Scope &scope);

  private:
    template <class Body>
    auto within(Body body);
    void check_time() const;
    Asked asked_of(const Scope &scope);
    template <class Row>
    Answers<Row> all(Question question, const Asked &asked);
    template <class Row>
    void tell_cut(Answers<Row> &answers, const Asked &asked);
    template <class Row>
    void tell_silence(Answers<Row> &answers, const Asked &asked);
    std::vector<std::int64_t> advertisers(const std::vector<std::string> &hashes, Asked asked);
    bool are_deleted(const Asked &asked, std::int64_t bucket);
    void use_rollups(Asked &asked);
    Asked heard_by(Asked asked);
    std::vector<std::int64_t> last_heard(Asked asked, const Answers<TrackPoint> &points);
    Told last_told(Asked asked, const std::vector<std::int64_t> &buckets);
    Answers<PiState> states(const Asked &asked, Time present);
    Answers<CoverageStretch> stretches(Asked asked, Time present);

    std::unique_ptr<QuestionRows> rows_;
    QuestionLimits limits_;
    std::chrono::steady_clock::time_point latest_;  // of the present question
};

// As open_archive() of archive.hpp. A file that is not there is not made.
std::unique_ptr<Questions> open_questions(const std::string &name, QuestionLimits limits = {},
                                          const std::function<bool()> &go_on = {});

}  // namespace ble
