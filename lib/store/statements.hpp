// The SQL of each question (lib/store/rows/question_rows.hpp) to one kind of database.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "store/rows/question_rows.hpp"

namespace ble {

class Statements {
  public:
    // All statements begin with this.
    explicit Statements(std::string beginning) : beginning_(std::move(beginning)) {}

    void put(Question question, const std::string &sql, Reads reads = Reads::details) {
        all_.emplace(std::pair(question, reads), beginning_ + sql);
    }
    // Is there one that reads just these?
    bool has(Question question, Reads reads) const { return all_.contains({question, reads}); }
    // Of a question that is asked in one way only, whatever is said of what it reads. Stays where it is.
    const std::string &of(Question question, Reads reads) const {
        const auto found = all_.find({question, reads});
        return found != all_.end() ? found->second : all_.at({question, Reads::details});
    }

  private:
    std::string beginning_;
    std::map<std::pair<Question, Reads>, std::string> all_;
};

}  // namespace ble
