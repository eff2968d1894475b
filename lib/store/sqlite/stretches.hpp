#pragma once

#include "sqlite/database.hpp"
#include "store/rows/stretch_rows.hpp"

namespace ble {

class SqliteStretches : public StretchRows {
  public:
    explicit SqliteStretches(Database &database);

    std::optional<Stretch> at(const Series &series, std::int64_t time) override;
    std::optional<Stretch> after(const Series &series, std::int64_t time) override;
    void put(const Series &series, const Stretch &stretch) override;
    void erase(const Series &series, std::int64_t first) override;
    std::vector<std::pair<Series, Stretch>> within(std::int64_t from, std::int64_t until) override;

  private:
    Statement at_, after_, put_, erase_, within_;
};

}  // namespace ble
