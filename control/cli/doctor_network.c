/*
 * Networks: which NICs there are, what drives them here and under DPDK, and what the profiles `lab`
 * (raw packets) and `bare-metal` (vfio) need besides.
 */
#include "control/cli/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CAP_BITS ((uint64_t)1 << 12 | (uint64_t)1 << 13) /* CAP_NET_ADMIN, CAP_NET_RAW */

/* Kernel driver of a NIC, and the DPDK driver of the same hardware (22.11). */
static const struct {
	const char *kernel;
	const char *dpdk;
	bool shared; /* the kernel driver stays in place under DPDK: nothing is bound to vfio-pci */
} drivers[] = {
	{"virtio_net", "net_virtio", false}, {"ixgbe", "net_ixgbe", false},
	{"ixgbevf", "net_ixgbe_vf", false},  {"i40e", "net_i40e", false},
	{"iavf", "net_iavf", false},	     {"ice", "net_ice", false},
	{"igb", "net_e1000_igb", false},     {"igbvf", "net_e1000_igb_vf", false},
	{"igc", "net_igc", false},	     {"e1000", "net_e1000_em", false},
	{"e1000e", "net_e1000_em", false},   {"mlx5_core", "mlx5_pci", true},
	{"mlx4_en", "net_mlx4", true},	     {"mlx4_core", "net_mlx4", true},
	{"bnxt_en", "net_bnxt", false},	     {"ena", "net_ena", false},
	{"vmxnet3", "net_vmxnet3", false},   {"enic", "net_enic", false},
	{"qede", "net_qede", false},	     {"cxgb4", "net_cxgbe", false},
	{"sfc", "net_sfc_efx", false},	     {"nfp", "net_nfp_pf", false},
	{"ionic", "net_ionic", false},	     {"hinic", "net_hinic", false},
	{"hns3", "net_hns3", false},	     {"atlantic", "net_atlantic", false},
	{"amd-xgbe", "net_axgbe", false},    {"fm10k", "net_fm10k", false},
	{"gve", "net_gve", false},	     {"hv_netvsc", "net_netvsc", false},
};

static size_t find_driver(const char *kernel)
{
	size_t i = 0;

	while (i < sizeof(drivers) / sizeof(drivers[0]) && strcmp(drivers[i].kernel, kernel) != 0)
		i++;
	return i;
}

/* Is the interface the way to the rest of the world? */
static bool has_default_route(const struct ctl_machine *machine, const char *interface)
{
	char text[CTL_MACHINE_TEXT_BYTES];
	char *rest = text;
	const char *line;

	(void)ctl_machine_read(ctl_machine_path(machine, "/proc/net/route"), text);
	while ((line = strsep(&rest, "\n")) != NULL) {
		size_t name = strcspn(line, "\t");

		if (name == strlen(interface) && strncmp(line, interface, name) == 0 &&
		    strncmp(line + name, "\t00000000\t", 10) == 0)
			return true;
	}
	return false;
}

/* The PCI address in a path such as /sys/devices/pci0000:00/0000:00:03.0/virtio2, or "". */
static void find_pci(const char *path, char ret_address[16])
{
	char resolved[4096];
	const char *at = resolved;
	size_t length;

	ret_address[0] = '\0';
	if (realpath(path, resolved) == NULL)
		return;
	while (*at != '\0') {
		at += *at == '/';
		length = strcspn(at, "/");
		if (length == 12 && at[4] == ':' && at[7] == ':' && at[10] == '.') {
			memcpy(ret_address, at, length);
			ret_address[length] = '\0';
		}
		at += length;
	}
}

/* Returns true if a NIC could be given to DPDK as a device of its own. */
static bool check_interface(struct ctl_report *report, const struct ctl_machine *machine,
			    const char *name, const char *lcores)
{
	char kernel[CTL_MACHINE_NAME_BYTES];
	char device[64 + CTL_MACHINE_NAME_BYTES];
	char check[CTL_MACHINE_NAME_BYTES + 16];
	char address[16];
	bool routed = has_default_route(machine, name);
	size_t driver;

	(void)snprintf(device, sizeof(device), "/sys/class/net/%s/device", name);
	if (!ctl_machine_read_link(ctl_machine_path(machine, "%s/driver", device), kernel))
		return false; /* loopback, bridges, veth: nothing behind them */
	find_pci(ctl_machine_path(machine, "%s", device).text, address);
	driver = find_driver(kernel);
	if (driver == sizeof(drivers) / sizeof(drivers[0])) {
		ctl_report_ok(report, name, "%s: no DPDK driver, so profile lab (af_packet) only",
			      kernel);
	} else {
		ctl_report_ok(report, name, "%s, %s: DPDK has %s%s%s",
			      address[0] != '\0' ? address : "not on PCI", kernel,
			      drivers[driver].dpdk,
			      drivers[driver].shared ? ", beside the kernel's driver" : "",
			      routed ? "; carries the default route: leave it to the kernel" : "");
	}
	(void)snprintf(check, sizeof(check), "%s irq", name);
	ctl_doctor_interrupts(report, machine, check, device, lcores);
	return driver < sizeof(drivers) / sizeof(drivers[0]) && address[0] != '\0' && !routed;
}

/* NICs that the kernel has let go of. */
static unsigned check_bound(struct ctl_report *report, const struct ctl_machine *machine)
{
	struct ctl_names names;
	unsigned bound = 0;

	ctl_machine_names(ctl_machine_path(machine, "/sys/bus/pci/devices"), &names);
	for (size_t i = 0; i < names.count; i++) {
		char class[CTL_MACHINE_TEXT_BYTES];
		char driver[CTL_MACHINE_NAME_BYTES];

		(void)ctl_machine_read(
			ctl_machine_path(machine, "/sys/bus/pci/devices/%s/class", names.names[i]),
			class);
		if (strncmp(class, "0x02", 4) != 0)
			continue;
		(void)ctl_machine_read_link(
			ctl_machine_path(machine, "/sys/bus/pci/devices/%s/driver", names.names[i]),
			driver);
		if (strcmp(driver, "vfio-pci") == 0 || strcmp(driver, "igb_uio") == 0 ||
		    strcmp(driver, "uio_pci_generic") == 0) {
			ctl_report_ok(report, names.names[i], "bound to %s, ready for DPDK",
				      driver);
			bound++;
		}
	}
	ctl_machine_names_fini(&names);
	return bound;
}

static void check_nics(struct ctl_report *report, const struct ctl_machine *machine,
		       const char *lcores)
{
	unsigned usable = check_bound(report, machine);
	struct ctl_names names;

	ctl_machine_names(ctl_machine_path(machine, "/sys/class/net"), &names);
	for (size_t i = 0; i < names.count; i++)
		usable += check_interface(report, machine, names.names[i], lcores);
	ctl_machine_names_fini(&names);
	if (usable > 0) {
		ctl_report_ok(report, "NIC for DPDK", "%u", usable);
		return;
	}
	ctl_report_bad(report, CTL_PROFILES_BARE_METAL, "NIC for DPDK",
		       "none besides the one that carries the default route");
	ctl_report_fix(report, "add a NIC that DPDK drives, then: dpdk-devbind.py --bind=vfio-pci "
			       "PCI-ADDRESS");
}

static void check_iommu(struct ctl_report *report, const struct ctl_machine *machine)
{
	char unsafe[CTL_MACHINE_TEXT_BYTES];
	char cpu[CTL_MACHINE_TEXT_BYTES];
	struct ctl_names groups;
	size_t count;

	ctl_machine_names(ctl_machine_path(machine, "/sys/kernel/iommu_groups"), &groups);
	count = groups.count;
	ctl_machine_names_fini(&groups);
	(void)ctl_machine_read(
		ctl_machine_path(machine, "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"),
		unsafe);
	(void)ctl_machine_read(ctl_machine_path(machine, "/proc/cpuinfo"), cpu);
	if (count > 0) {
		ctl_report_ok(report, "IOMMU", "on, %zu groups", count);
	} else if (unsafe[0] == 'Y') {
		ctl_report_bad(report, CTL_PROFILES_NONE, "IOMMU",
			       "off, vfio in its unsafe mode: a NIC can write anywhere in memory");
		ctl_report_fix(report, "switch the IOMMU on in the firmware, and add 'iommu=pt' to "
				       "the kernel command line");
	} else {
		ctl_report_bad(report, CTL_PROFILES_BARE_METAL, "IOMMU", "off or absent");
		ctl_report_fix(report,
			       "switch it on in the firmware and add '%siommu=pt' to the kernel "
			       "command line; without one: modprobe vfio "
			       "enable_unsafe_noiommu_mode=1",
			       strstr(cpu, "GenuineIntel") != NULL ? "intel_iommu=on " : "");
	}
}

static void check_vfio(struct ctl_report *report, const struct ctl_machine *machine)
{
	if (ctl_machine_has(ctl_machine_path(machine, "/sys/bus/pci/drivers/vfio-pci"))) {
		ctl_report_ok(report, "vfio-pci", "loaded");
		return;
	}
	ctl_report_bad(report, CTL_PROFILES_BARE_METAL, "vfio-pci", "not loaded");
	ctl_report_fix(report, "modprobe vfio-pci");
}

static void check_raw(struct ctl_report *report, const struct ctl_machine *machine)
{
	char status[CTL_MACHINE_TEXT_BYTES];
	const char *at;
	uint64_t effective = 0;
	int fd;
	int error;

	(void)ctl_machine_read(ctl_machine_path(machine, "/proc/self/status"), status);
	at = strstr(status, "CapEff:");
	if (at != NULL)
		effective = strtoull(at + sizeof("CapEff:") - 1, NULL, 16);
	if ((effective & CAP_BITS) != CAP_BITS) {
		ctl_report_bad(report, CTL_PROFILES_LAB, "raw packets",
			       "this user has no CAP_NET_ADMIN and CAP_NET_RAW");
		ctl_report_fix(report, "run as root, or: setcap cap_net_admin,cap_net_raw,"
				       "cap_ipc_lock+ep \"$(command -v quorated)\"");
		return;
	}
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	error = errno;
	if (fd < 0) {
		ctl_report_bad(report, CTL_PROFILES_LAB, "raw packets", "AF_PACKET: %s",
			       strerrordesc_np(error));
		ctl_report_fix(report, "modprobe af_packet");
		return;
	}
	(void)close(fd);
	fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)close(fd);
	ctl_report_ok(report, "raw packets", "AF_PACKET%s permitted", fd >= 0 ? " and AF_XDP" : "");
}

void ctl_doctor_network(struct ctl_report *report, const struct ctl_machine *machine,
			const char *lcores)
{
	report->area = "network";
	check_nics(report, machine, lcores);
	check_iommu(report, machine);
	check_vfio(report, machine);
	check_raw(report, machine);
}
