// The ids of devices, places, senders and advertisers, and their changes in a transaction: gathered, and written once
// each by flush() instead of once per detection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "batch/batch.hpp"
#include "store/rows/name_rows.hpp"
#include "store/store.hpp"

namespace ble {

// Works inside the store's transaction. Bounded: what is remembered is dropped when it becomes too much.
class Catalog {
  public:
    struct Device;
    struct Advertiser;

    explicit Catalog(NameRows &rows);
    ~Catalog();

    void bound();  // before a transaction: forgets all when that is too much
    // A transaction begins. A device that is new in it was last heard of then.
    void begin(std::int64_t received_at_ms, std::int64_t lived_s);
    void flush();   // writes what changed; before each commit and release
    void forget();  // something was rolled back, or another process deleted rows

    // If Tables::foresees(), before a transaction: asks for all unknown names of these lines at once.
    void learn(const std::vector<StoreItem> &items, std::int64_t received_at_ms);

    // Created when new; archived: as a device that has not been heard yet.
    std::int64_t device(const std::string &device_id, bool archived = false);
    // A batch of that device was stored. The newest batch says what the device is called and where it is.
    // The last one in order of arrival says who sent it, and which version made it.
    void batch_stored(const Batch &batch, std::int64_t id, std::int64_t taken_at_ms,
                      std::optional<std::int64_t> sender);
    // The same of one that another store had received then.
    void archived_stored(const Batch &batch, std::int64_t id, std::int64_t taken_at_ms,
                         std::int64_t received_at_ms, std::optional<std::int64_t> sender);
    void merge(const ArchivedDevice &device);
    void conflicted(std::int64_t device);  // another content came under a known name
    // Beyond the most senders that are stored, the rest are "others".
    std::int64_t sender(const std::string &sender);
    std::int64_t place(const std::string &name, const std::string &location);
    // The place of the batch, if it is remembered; this does not count as a use.
    std::optional<std::int64_t> remembered_place(const Batch &batch) const;
    // The advertiser, heard once more at that time.
    std::int64_t heard(const DeviceHash &device_hash, std::int64_t time_ms);

  private:
    using Names = std::unordered_map<std::string, NameRow>;

    NameRow &row(Names &names, const std::string &key);
    DeviceNews &news_of(Device &device, bool archived);
    void used(NameRow &row, std::vector<std::int64_t> &due) const;
    void flush_uses();
    void ask(const Batch &batch, NamesAsked &asked);
    static std::string place_key(const std::string &name, const std::string &location);
    void flush_advertisers();

    NameRows &rows_;
    std::unordered_map<std::string, Device> devices_;
    Names places_, senders_;
    std::unordered_map<DeviceHash, Advertiser> advertisers_;
    // Of which the database is to be told that they are used.
    std::vector<std::int64_t> due_devices_, due_places_, due_senders_;
    std::vector<Device *> dirty_devices_;
    std::vector<std::pair<const DeviceHash, Advertiser> *> dirty_advertisers_;
    std::vector<AdvertiserNews> news_;  // of a flush
    std::vector<NameRow *> learned_devices_, learned_senders_, learned_places_;
    std::vector<Advertiser *> learned_advertisers_;  // as they were asked for
    std::size_t remembered_ = 0;                     // bytes, about: of texts, whose length others choose
    std::int64_t received_at_ms_ = 0, lived_s_ = 0;
};

}  // namespace ble
