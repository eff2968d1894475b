#include "top/viewer.hpp"

#include <cmath>
#include <utility>

#include "batch/shown_text.hpp"
#include "top/one_page.hpp"
#include "top/tables.hpp"

namespace ble {
namespace {

const std::vector<PageLine> &help_lines() {
    static const std::vector<PageLine> lines = [] {
        std::vector<PageLine> made;
        for (const char *text : {
                 "1 to 9         sort by that column; again: sort in the opposite order",
                 "< >            sort by the column to the left or right",
                 "r              sort in the opposite order",
                 "up, down       choose a row (also k, j; page up, page down, home, end)",
                 "Enter          the chosen advertiser large, with its history at each Pi",
                 "Esc            back; ends a choice or a filter",
                 "Tab, p         Pis, or advertisers",
                 "/              filter as you type: hash, name, beacon, zone, Pi, place",
                 "space          freeze what is shown; again: go on. Nothing is lost meanwhile",
                 "Ctrl-L         redraw the screen",
                 "q, Ctrl-C      end",
                 "",
                 "dBm            the RSSI (median of the last window) at the Pi that hears it best,",
                 "               of those that heard it in the last minute",
                 "strength       from -100 dBm to -40 dBm; trend: its last 8 windows there",
                 "rep/s          reports a second in the last window there",
                 "heard          how long ago it was heard last",
                 "missing        batches whose numbers did not come; lost: reported as lost (gaps)",
                 "clock          ok: the Pi's clock is synchronised; +3 s: its last batch came this late",
             })
            made.push_back({{text, Style::plain}});
        return made;
    }();
    return lines;
}

void remove_last_character(std::string &text) {
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0U) == 0x80) text.pop_back();
    if (!text.empty()) text.pop_back();
}

}  // namespace

Viewer::Viewer(const AirModel &model, Screen first) : model_(model), screen_(first), before_(first) {
    constexpr std::size_t by_rssi = 2;
    advertisers_.column = by_rssi;
}

TableView *Viewer::table() {
    if (screen_ == Screen::advertisers) return &advertisers_;
    return screen_ == Screen::pis ? &pis_ : nullptr;
}

void Viewer::press(const Key &key, const Moment &now) {
    if (key.kind == Key::Kind::quit)
        quit_ = true;
    else if (editing_)
        edit(key);
    else if (key.kind == Key::Kind::text)
        command(key.text.size() == 1 ? key.text[0] : '\0', now);
    else if (!move(key.kind) && (key.kind == Key::Kind::escape || key.kind == Key::Kind::backspace))
        back();
    else if (key.kind == Key::Kind::tab && table() != nullptr)
        screen_ = screen_ == Screen::pis ? Screen::advertisers : Screen::pis;
    else if (key.kind == Key::Kind::enter && screen_ == Screen::advertisers) {
        opening_ = true;
        if (!advertisers_.chosen && advertisers_.move == 0) advertisers_.move = 1;  // the first row
    }
}

void Viewer::edit(const Key &key) {
    constexpr std::size_t longest = 64;
    std::string &filter = table()->filter;
    if (key.kind == Key::Kind::enter) editing_ = false;
    if (key.kind == Key::Kind::text && filter.size() < longest) filter += key.text;
    if (key.kind == Key::Kind::backspace) remove_last_character(filter);
    if (key.kind == Key::Kind::escape) {
        filter.clear();
        editing_ = false;
    }
}

void Viewer::command(char key, const Moment &now) {
    TableView *view = table();
    const std::size_t columns = (screen_ == Screen::pis ? pi_columns() : advertiser_columns()).size();
    if (key == 'q') quit_ = true;
    if (key == ' ') freeze(now);
    if (key == '?' || key == 'h') {
        before_ = screen_ == Screen::help ? before_ : screen_;
        screen_ = screen_ == Screen::help ? before_ : Screen::help;
    }
    if (view == nullptr) return;
    if (key >= '1' && key <= '9') view->sort_by(static_cast<std::size_t>(key - '1'));
    if (key == '<' && view->column > 0) --view->column;
    if (key == '>' && view->column + 1 < columns) ++view->column;
    if (key == 'r') view->reversed = !view->reversed;
    if (key == 'j') view->move += 1;
    if (key == 'k') view->move -= 1;
    if (key == '/') editing_ = true;
    if (key == 'p') screen_ = screen_ == Screen::pis ? Screen::advertisers : Screen::pis;
}

// False: it is no key that moves.
bool Viewer::move(Key::Kind kind) {
    constexpr std::ptrdiff_t far = 1'000'000;
    const auto page = static_cast<std::ptrdiff_t>(page_rows_);
    std::ptrdiff_t by = 0;
    if (kind == Key::Kind::up) by = -1;
    if (kind == Key::Kind::down) by = 1;
    if (kind == Key::Kind::page_up) by = -page;
    if (kind == Key::Kind::page_down) by = page;
    if (kind == Key::Kind::home) by = -far;
    if (kind == Key::Kind::end) by = far;
    if (TableView *view = table(); view != nullptr) view->move += by;
    return by != 0;
}

void Viewer::back() {
    if (screen_ == Screen::one)
        screen_ = Screen::advertisers;
    else if (screen_ == Screen::help)
        screen_ = before_;
    else if (table()->chosen)
        table()->chosen.reset();
    else
        table()->filter.clear();
}

void Viewer::freeze(const Moment &now) {
    if (frozen_) {
        frozen_.reset();
        return;
    }
    frozen_ = model_;
    frozen_at_ = now;
}

PageLine Viewer::title(const Surface &surface, Instant now, const std::string &input,
                       std::size_t passed) const {
    const AirModel &model = shown();
    const std::size_t all = screen_ == Screen::pis ? model.pis().size() : model.advertisers().size();
    std::string text = "bletop  ";
    text += passed < all ? std::to_string(passed) + " of " + std::to_string(all) : std::to_string(all);
    if (screen_ != Screen::pis) text += " advertisers, " + std::to_string(model.pis().size());
    text += model.pis().size() == 1 ? " Pi" : " Pis";
    text += "  " + std::to_string(std::llround(model.rate(now))) + " reports/s  " + input;
    if (model.missed() > 0) text += "  " + std::to_string(model.missed()) + " events missed";
    const std::string frozen = frozen_ ? " FROZEN " : "";
    const std::size_t room = surface.columns > frozen.size() ? surface.columns - frozen.size() : 0;
    return {{fit(text, room, surface.utf8), Style::title}, {frozen, Style::alarm}};
}

PageLine Viewer::footer(const Surface &surface, const std::string &message) const {
    std::string text = "?:help  /:filter  1-9:sort  space:freeze  Tab:Pis  Enter:details  q:quit";
    Style style = Style::dim;
    if (screen_ == Screen::one || screen_ == Screen::help) text = "Esc:back  space:freeze  q:quit";
    const TableView *view = screen_ == Screen::advertisers ? &advertisers_
                            : screen_ == Screen::pis       ? &pis_
                                                           : nullptr;
    if (view != nullptr && (editing_ || !view->filter.empty())) {
        text = "/" + view->filter + (editing_ ? "_" : "   (Esc: all)");
        style = Style::plain;
    } else if (!message.empty()) {
        text = message;
        style = Style::alarm;
    }
    return {{fit(text, surface.columns, surface.utf8), style}};
}

Page Viewer::page(const Surface &surface, const Moment &now, const std::string &input,
                  const std::string &message) {
    const Instant at = (frozen_ ? frozen_at_ : now).steady;
    const std::size_t around = 3;  // title, heading, footer
    page_rows_ = surface.rows > around + 1 ? surface.rows - around : 1;
    TablePart part;
    part.shown = shown().advertisers().size();
    if (screen_ == Screen::advertisers)
        part = advertiser_table(shown(), advertisers_, surface, page_rows_, at);
    // Only now the moves of the keys before it are done.
    if (std::exchange(opening_, false) && screen_ == Screen::advertisers && advertisers_.chosen) {
        one_ = *advertisers_.chosen;
        screen_ = Screen::one;
    }
    if (screen_ == Screen::pis) part = pi_table(shown(), pis_, surface, page_rows_, at);
    if (screen_ == Screen::one) part.lines = advertiser_page(shown(), one_, surface, at);
    if (screen_ == Screen::help) part.lines = help_lines();
    Page page;
    page.lines.push_back(title(surface, at, input, part.shown));
    for (PageLine &line : part.lines) page.lines.push_back(std::move(line));
    page.footer = footer(surface, message);
    return page;
}

}  // namespace ble
