#include "server/connections.hpp"

#include <algorithm>

namespace ble {
namespace {

// Connections beyond the limits that may still ask for /health, and within what time.
constexpr std::size_t most_spare = 8;
constexpr std::chrono::seconds spare_timeout(2);

}  // namespace

Connections::Connection Connections::admit(const std::string &network, bool proxy) {
    Connection connection{network};
    const auto found = by_network_.find(network);
    if (standing_ >= most_)
        connection.surplus = Surplus::of_all;
    else if (!proxy && found != by_network_.end() && found->second >= share_)
        connection.surplus = Surplus::of_address;
    if (connection.too_many()) return connection;
    by_network_[network]++;
    standing_++;
    return connection;
}

void Connections::dismiss(const Connection &connection) {
    if (connection.too_many()) return;
    standing_--;
    if (const auto found = by_network_.find(connection.network); --found->second == 0)
        by_network_.erase(found);
}

void Connections::add(lws *wsi, const Connection &connection, Clock::time_point deadline) {
    Connection &added = all_[wsi] = connection;
    added.deadline = added.too_many() ? Clock::now() + spare_timeout : deadline;
    if (added.too_many()) spare_.push_back(wsi);
}

void Connections::remove(lws *wsi) {
    const auto found = all_.find(wsi);
    if (found == all_.end()) return;
    if (const auto place = std::find(spare_.begin(), spare_.end(), wsi); place != spare_.end())
        spare_.erase(place);
    dismiss(found->second);
    all_.erase(found);
}

Connections::Connection *Connections::find(lws *wsi) {
    const auto found = all_.find(wsi);
    return found != all_.end() ? &found->second : nullptr;
}

lws *Connections::give_way() {
    if (spare_.size() < most_spare) return nullptr;
    lws *oldest = spare_.front();
    spare_.pop_front();
    note_refused(all_.at(oldest));
    return oldest;
}

std::vector<lws *> Connections::expired(Clock::time_point now) {
    std::vector<lws *> out;
    for (auto &[wsi, connection] : all_) {
        if (connection.deadline > now) continue;
        connection.deadline = never;
        if (connection.too_many()) note_refused(connection);
        out.push_back(wsi);
    }
    return out;
}

void Connections::note_refused(const Connection &connection) {
    refused_++;
    const bool of_all = connection.surplus == Surplus::of_all;
    if (!(of_all ? crowded_ : crowded_by_one_).due()) return;
    const std::string all =
        of_all ? std::to_string(most_) : std::to_string(share_) + " of " + connection.network;
    const std::string advice = !option_.empty() ? " at the address of " + option_
                               : of_all         ? "; allow more with --max-clients"
                                                : "; allow more with --max-clients-per-address";
    log_warning("refusing connections (503): " + all + " are open already" + advice);
}

}  // namespace ble
