// What the keys do, and the page that is seen then. No terminal: keys go in, pages come out.
#pragma once

#include <optional>
#include <string>

#include "top/air_model.hpp"
#include "top/page.hpp"
#include "top/table_view.hpp"

namespace ble {

struct Key {
    enum class Kind {
        text,
        up,
        down,
        page_up,
        page_down,
        home,
        end,
        enter,
        escape,
        backspace,
        tab,
        redraw,
        quit
    };
    Kind kind = Kind::text;
    std::string text;  // of Kind::text: one character, UTF-8
};

class Viewer {
  public:
    enum class Screen { advertisers, pis, one, help };

    // `model` is borrowed.
    Viewer(const AirModel &model, Screen first);

    TableView &advertisers() { return advertisers_; }
    TableView &pis() { return pis_; }

    // `now`: for what is frozen.
    void press(const Key &key, const Moment &now);
    bool quit() const { return quit_; }

    // `input`: where lines come from, and how that goes; `message`: the latest log line, empty: none.
    Page page(const Surface &surface, const Moment &now, const std::string &input,
              const std::string &message);

  private:
    void edit(const Key &key);
    void command(char key, const Moment &now);
    bool move(Key::Kind kind);
    void back();
    void freeze(const Moment &now);
    TableView *table();
    const AirModel &shown() const { return frozen_ ? *frozen_ : model_; }
    PageLine title(const Surface &surface, Instant now, const std::string &input, std::size_t passed) const;
    PageLine footer(const Surface &surface, const std::string &message) const;

    const AirModel &model_;
    Screen screen_, before_;  // before_: help was asked for there
    TableView advertisers_, pis_;
    std::string one_;  // the hash of the advertiser that is large
    bool editing_ = false, opening_ = false, quit_ = false;
    std::size_t page_rows_ = 10;
    std::optional<AirModel> frozen_;
    Moment frozen_at_;
};

}  // namespace ble
