#include "top/seq_window.hpp"

namespace ble {

bool SeqWindow::add(const std::string &run_id, std::uint64_t seq) {
    constexpr std::uint64_t room = 64;
    if (run_id != run_id_) {
        run_id_ = run_id;
        last_ = begun_ = seq;
        seen_ = 1;
        return true;
    }
    if (seq > last_) {
        const std::uint64_t step = seq - last_;
        missing_ += step - 1;
        seen_ = (step < room ? seen_ << step : 0) | 1;
        last_ = seq;
        return true;
    }
    const std::uint64_t back = last_ - seq;
    if (back >= room || (seen_ >> back & 1) != 0) return false;
    seen_ |= std::uint64_t{1} << back;
    if (seq > begun_) --missing_;
    return true;
}

}  // namespace ble
