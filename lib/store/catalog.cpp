#include "store/catalog.hpp"

#include <algorithm>
#include <limits>

#include "store/milliseconds.hpp"
#include "store/used.hpp"

namespace ble {
namespace {

constexpr std::size_t most_remembered = 8u << 20;  // bytes of texts
constexpr std::size_t row_overhead = 100;
constexpr std::int64_t most_senders = 10'000;
const std::string others = "others";
constexpr std::size_t most_advertisers = 100'000;  // about 15 MiB
constexpr std::int64_t not_yet = 0;                // a time of receipt before any other
constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();

}  // namespace

struct Catalog::Device {
    NameRow row;
    DeviceNews news, archived;  // of this transaction; without an id there are none
    bool dirty = false;
};

struct Catalog::Advertiser {
    std::int64_t id = 0;
    std::int64_t first = 0, last = 0, heard = 0;  // of this transaction
};

Catalog::Catalog(NameRows &rows) : rows_(rows) {}

Catalog::~Catalog() = default;

void Catalog::begin(std::int64_t received_at_ms, std::int64_t lived_s) {
    received_at_ms_ = received_at_ms;
    lived_s_ = lived_s;
}

void Catalog::bound() {
    if (remembered_ > most_remembered || advertisers_.size() > most_advertisers) forget();
}

void Catalog::forget() {
    devices_.clear();
    places_.clear();
    senders_.clear();
    remembered_ = 0;
    advertisers_.clear();
    for (auto *due : {&due_devices_, &due_places_, &due_senders_}) due->clear();
    dirty_devices_.clear();
    dirty_advertisers_.clear();
}

NameRow &Catalog::row(Names &names, const std::string &key) {
    const auto [place, added] = names.try_emplace(key);
    if (added) remembered_ += key.size() + row_overhead;
    return place->second;
}

void Catalog::used(NameRow &row, std::vector<std::int64_t> &due) const {
    if (lived_s_ - row.used_s < use_told_every_s) return;
    row.used_s = lived_s_;
    due.push_back(row.id);
}

std::string Catalog::place_key(const std::string &name, const std::string &location) {
    std::string key = name;
    return key.append(1, '\0').append(location);
}

void Catalog::learn(const std::vector<StoreItem> &items, std::int64_t received_at_ms) {
    NamesAsked asked;
    learned_devices_.clear();
    learned_senders_.clear();
    learned_places_.clear();
    learned_advertisers_.clear();
    for (const auto &item : items) {
        const auto &device_id = item.device_id();
        if (const auto [place, added] = devices_.try_emplace(device_id); added) {
            remembered_ += device_id.size() + sizeof(Device) + row_overhead;
            asked.devices.push_back(device_id);
            learned_devices_.push_back(&place->second.row);
        }
        if (item.batch != nullptr) ask(*item.batch, asked);
    }
    asked.most_senders = most_senders;
    if (asked.empty()) return;
    const bool archived =
        std::any_of(items.begin(), items.end(), [](const auto &item) { return item.is_archived(); });
    rows_.learn(asked, lived_s_, archived ? not_yet : received_at_ms);
    for (std::size_t i = 0; i < learned_devices_.size(); ++i) *learned_devices_[i] = asked.device_rows[i];
    for (std::size_t i = 0; i < learned_senders_.size(); ++i) *learned_senders_[i] = asked.sender_rows[i];
    for (std::size_t i = 0; i < learned_places_.size(); ++i) *learned_places_[i] = asked.place_rows[i];
    for (std::size_t i = 0; i < learned_advertisers_.size(); ++i)
        learned_advertisers_[i]->id = asked.advertiser_ids[i];
}

void Catalog::ask(const Batch &batch, NamesAsked &asked) {
    if (batch.sender && !senders_.contains(*batch.sender)) {
        learned_senders_.push_back(&row(senders_, *batch.sender));
        asked.senders.push_back(*batch.sender);
    }
    if (batch.name || batch.location) {
        static const std::string none;
        const auto &name = batch.name ? *batch.name : none,
                   &location = batch.location ? *batch.location : none;
        NameRow &place = row(places_, place_key(name, location));
        if (place.id == 0 &&
            std::find(learned_places_.begin(), learned_places_.end(), &place) == learned_places_.end()) {
            learned_places_.push_back(&place);
            asked.places.emplace_back(name, location);
        }
    }
    for (const auto &detection : batch.detections) {
        const auto [place, added] = advertisers_.try_emplace(detection.device_hash);
        if (!added) continue;
        learned_advertisers_.push_back(&place->second);
        asked.advertisers.push_back(detection.device_hash.text());
    }
}

std::int64_t Catalog::device(const std::string &device_id, bool archived) {
    const auto [place, added] = devices_.try_emplace(device_id);
    if (added) remembered_ += device_id.size() + sizeof(Device) + row_overhead;
    NameRow &row = place->second.row;
    if (row.id == 0) {
        const auto found = rows_.find_device(device_id);
        row = found ? *found
                    : NameRow{rows_.insert_device(device_id, lived_s_, archived ? not_yet : received_at_ms_),
                              lived_s_};
    }
    used(row, due_devices_);
    return row.id;
}

std::int64_t Catalog::sender(const std::string &sender) {
    const auto known = senders_.find(sender);
    NameRow found = known != senders_.end() ? known->second : NameRow{};
    if (found.id == 0) {
        found = rows_.find_sender(sender).value_or(found);
        if (found.id == 0) {
            if (sender != others && rows_.count_senders() >= most_senders) return this->sender(others);
            found = {rows_.insert_sender(sender, lived_s_), lived_s_};
        }
    }
    NameRow &row = this->row(senders_, sender) = found;
    used(row, due_senders_);
    return row.id;
}

void Catalog::conflicted(std::int64_t device) {
    rows_.conflicted(device, received_at_ms_);
}

DeviceNews &Catalog::news_of(Device &device, bool archived) {
    if (!device.dirty) dirty_devices_.push_back(&device);
    device.dirty = true;
    DeviceNews &news = archived ? device.archived : device.news;
    if (news.id == 0)
        news = {.id = device.row.id,
                .received_at = archived ? not_yet : received_at_ms_,
                .oldest = std::numeric_limits<std::int64_t>::max(),
                .newest = never};
    return news;
}

namespace {

void add(DeviceNews &news, const Batch &batch, std::int64_t id, std::int64_t taken_at_ms) {
    news.oldest = std::min(news.oldest, taken_at_ms);
    if (taken_at_ms < news.newest) return;
    news.newest = taken_at_ms;
    news.newest_batch = id;
    if (batch.name) news.name = batch.name;
    if (batch.location) news.location = batch.location;
}

}  // namespace

void Catalog::batch_stored(const Batch &batch, std::int64_t id, std::int64_t taken_at_ms,
                           std::optional<std::int64_t> sender) {
    DeviceNews &news = news_of(devices_[batch.device_id], false);
    news.sender = sender;
    news.version = batch.version;
    add(news, batch, id, taken_at_ms);
}

void Catalog::archived_stored(const Batch &batch, std::int64_t id, std::int64_t taken_at_ms,
                              std::int64_t received_at_ms, std::optional<std::int64_t> sender) {
    DeviceNews &news = news_of(devices_[batch.device_id], true);
    if (received_at_ms >= news.received_at) {
        news.received_at = received_at_ms;
        news.sender = sender;
    }
    add(news, batch, id, taken_at_ms);
}

void Catalog::merge(const ArchivedDevice &device) {
    const auto ms = [](const std::optional<Time> &time) {
        return time ? std::optional(to_milliseconds(*time)) : std::nullopt;
    };
    DeviceWord word;
    word.id = this->device(device.device_id, true);
    word.last_received = to_milliseconds(device.last_received);
    word.conflicts = device.conflicts;
    word.is_active = device.is_active;
    word.first_seen = ms(device.first_seen);
    word.last_seen = ms(device.last_seen);
    word.last_conflict = ms(device.last_conflict);
    if (device.sender) word.sender = sender(*device.sender);
    word.name = device.name;
    word.location = device.location;
    word.version = device.version;
    rows_.merge(word);
}

std::int64_t Catalog::place(const std::string &name, const std::string &location) {
    NameRow &row = this->row(places_, place_key(name, location));
    if (row.id == 0) {
        const auto found = rows_.find_place(name, location);
        row = found ? *found : NameRow{rows_.insert_place(name, location, lived_s_), lived_s_};
    }
    used(row, due_places_);
    return row.id;
}

std::optional<std::int64_t> Catalog::remembered_place(const Batch &batch) const {
    if (!batch.name && !batch.location) return {};
    const auto found = places_.find(place_key(batch.name.value_or(""), batch.location.value_or("")));
    return found == places_.end() ? std::nullopt : std::optional(found->second.id);
}

std::int64_t Catalog::heard(const DeviceHash &device_hash, std::int64_t time_ms) {
    const auto place = advertisers_.try_emplace(device_hash).first;
    Advertiser &advertiser = place->second;
    if (advertiser.id == 0) advertiser.id = rows_.advertiser(device_hash.text());
    if (advertiser.heard++ == 0) {
        dirty_advertisers_.push_back(&*place);
        advertiser.first = advertiser.last = time_ms;
    } else {
        advertiser.first = std::min(advertiser.first, time_ms);
        advertiser.last = std::max(advertiser.last, time_ms);
    }
    return advertiser.id;
}

// In one order for all, so that no two writers wait for each other.
void Catalog::flush_uses() {
    for (auto *due : {&due_devices_, &due_places_, &due_senders_}) std::sort(due->begin(), due->end());
    for (const auto id : due_devices_) rows_.use_device(id, lived_s_);
    for (const auto id : due_places_) rows_.use_place(id, lived_s_);
    for (const auto id : due_senders_) rows_.use_sender(id, lived_s_);
    for (auto *due : {&due_devices_, &due_places_, &due_senders_}) due->clear();
}

void Catalog::flush() {
    flush_uses();
    for (Device *device : dirty_devices_) {
        if (device->news.id != 0) rows_.tell(device->news);
        if (device->archived.id != 0) rows_.tell_archived(device->archived);
        device->news = device->archived = {};
        device->dirty = false;
    }
    dirty_devices_.clear();
    flush_advertisers();
}

void Catalog::flush_advertisers() {
    // In the order of the table: neighbours are then on the page that the database has just used.
    std::sort(dirty_advertisers_.begin(), dirty_advertisers_.end(),
              [](const auto *a, const auto *b) { return a->second.id < b->second.id; });
    news_.clear();
    for (auto *entry : dirty_advertisers_) {
        Advertiser &advertiser = entry->second;
        news_.push_back(
            {entry->first.text(), advertiser.id, advertiser.first, advertiser.last, advertiser.heard});
        advertiser.heard = 0;
    }
    rows_.tell(news_, received_at_ms_);
    dirty_advertisers_.clear();
}

}  // namespace ble
