#pragma once

#include "sqlite/bulk_insert.hpp"
#include "sqlite/database.hpp"
#include "store/rows/name_rows.hpp"

namespace ble {

class SqliteNames : public NameRows {
  public:
    explicit SqliteNames(Database &database);

    void begin();  // a transaction begins, or part of one was undone

    void learn(NamesAsked &, std::int64_t, std::int64_t) override {}
    std::optional<NameRow> find_device(const std::string &device_id) override;
    std::int64_t insert_device(const std::string &device_id, std::int64_t used_s,
                               std::int64_t last_received) override;
    std::optional<NameRow> find_place(const std::string &name, const std::string &location) override;
    std::int64_t insert_place(const std::string &name, const std::string &location,
                              std::int64_t used_s) override;
    std::optional<NameRow> find_sender(const std::string &sender) override;
    std::int64_t insert_sender(const std::string &sender, std::int64_t used_s) override;
    std::int64_t count_senders() override;
    void use_device(std::int64_t id, std::int64_t used_s) override { use_device_.run(id, used_s); }
    void use_place(std::int64_t id, std::int64_t used_s) override { use_place_.run(id, used_s); }
    void use_sender(std::int64_t id, std::int64_t used_s) override { use_sender_.run(id, used_s); }
    std::int64_t advertiser(std::string_view device_hash) override;
    void tell(const DeviceNews &news) override;
    void tell_archived(const DeviceNews &news) override;
    void merge(const DeviceWord &word) override;
    void conflicted(std::int64_t device, std::int64_t at) override { conflicted_.run(device, at); }
    void tell(const std::vector<AdvertiserNews> &news, std::int64_t received_at) override;

  private:
    Database &database_;
    Statement find_device_, insert_device_, use_device_, find_place_, insert_place_, use_place_, find_sender_,
        insert_sender_, use_sender_, count_senders_;
    Statement update_device_, update_archived_, merge_device_, conflicted_, find_advertiser_;
    BulkInsert<std::int64_t, std::string_view, std::int64_t, std::int64_t, std::int64_t> put_advertisers_;
    std::int64_t next_advertiser_ = 0;  // 0: not known
};

}  // namespace ble
