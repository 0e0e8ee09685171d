// A scenario's network with all its hosts, and its faults on their time line. Parallax itself runs
// on it only after world().Start(): without that, the stage shows what is true.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace parallax::sim {

class Stage {
 public:
  // `scenario` must remain live. Two stages of one scenario and one seed are the same, down to
  // which way each flow goes and which hosts a fault switches off. `without`: of the engine.
  Stage(const Scenario& scenario, uint64_t seed, collector::Parts without = {});
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  World& world() { return world_; }
  const Scenario& scenario() const { return scenario_; }
  NodeId At(const std::string& name) { return *world_.network().Find(name); }
  // Indices in World.
  size_t SensorNamed(const std::string& name) const { return sensors_.at(name); }
  const std::vector<size_t>& RemotesOf(const std::string& group) const {
    return remotes_.at(group);
  }

  // Every fault will happen when it is due, from now on.
  void PlanFaults();
  void Break(size_t fault);
  void Mend(size_t fault);

 private:
  static WorldOptions Options(uint64_t seed, collector::Parts without);
  void BuildNetwork();
  void BuildSensors();
  void BuildRemotes();
  NodeId AddHost(const std::string& name, const std::string& at);
  LinkId LinkOf(const ScenarioFault& fault);
  // As the scenario's link has it without faults.
  const ScenarioLink* Described(const ScenarioFault& fault) const;
  const NodeOptions& RouterNamed(const std::string& name) const;
  void SetLinkUp(const ScenarioFault& fault, bool up);
  void ConvergeAfter(const ScenarioFault& fault);
  void SetRoute(const ScenarioFault& fault);
  void SwitchOff(const ScenarioFault& fault, std::mt19937_64& random);
  void Silence(const ScenarioFault& fault, std::mt19937_64& random);

  const Scenario& scenario_;
  const uint64_t seed_;
  World world_;
  std::map<std::string, size_t> sensors_;
  std::map<std::string, std::vector<size_t>> remotes_;
  std::map<size_t, FilterId> filters_;              // by fault
  std::map<size_t, std::vector<Remote>> silenced_;  // by fault, as they were
};

}  // namespace parallax::sim
