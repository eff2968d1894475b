#pragma once

#include "store/postgres/connection.hpp"
#include "store/rows/name_rows.hpp"

namespace ble {

class PostgresNames : public NameRows {
  public:
    explicit PostgresNames(Connection &connection) : connection_(connection) {}

    void learn(NamesAsked &asked, std::int64_t used_s, std::int64_t received_at) override;
    std::optional<NameRow> find_device(const std::string &device_id) override;
    std::int64_t insert_device(const std::string &device_id, std::int64_t used_s,
                               std::int64_t last_received) override;
    std::optional<NameRow> find_place(const std::string &name, const std::string &location) override;
    std::int64_t insert_place(const std::string &name, const std::string &location,
                              std::int64_t used_s) override;
    std::optional<NameRow> find_sender(const std::string &sender) override;
    std::int64_t insert_sender(const std::string &sender, std::int64_t used_s) override;
    std::int64_t count_senders() override;
    void use_device(std::int64_t id, std::int64_t used_s) override;
    void use_place(std::int64_t id, std::int64_t used_s) override;
    void use_sender(std::int64_t id, std::int64_t used_s) override;
    std::int64_t advertiser(std::string_view device_hash) override;
    void tell(const DeviceNews &news) override;
    void tell_archived(const DeviceNews &news) override;
    void merge(const DeviceWord &word) override;
    void conflicted(std::int64_t device, std::int64_t at) override;
    void tell(const std::vector<AdvertiserNews> &news, std::int64_t received_at) override;

  private:
    void learn_names(NamesAsked &asked, std::int64_t used_s, std::int64_t received_at);
    void learn_places_of(NamesAsked &asked, std::int64_t used_s);
    std::vector<std::int64_t> learn_advertisers(const std::vector<std::string_view> &hashes);

    Connection &connection_;
};

}  // namespace ble
