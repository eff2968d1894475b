// Reading at one moment, whatever is stored meanwhile: from the rows' begin() to end(), or to give_up() where that is not reached.
#pragma once

namespace ble {

template <class Rows>
class Moment {
  public:
    template <class... Words>
    explicit Moment(Rows &rows, Words... words) : rows_(rows) {
        rows_.begin(words...);
    }
    ~Moment() {
        if (open_) rows_.give_up();
    }
    Moment(const Moment &) = delete;
    Moment &operator=(const Moment &) = delete;
    void end() {
        rows_.end();
        open_ = false;
    }

  private:
    Rows &rows_;
    bool open_ = true;
};

}  // namespace ble
