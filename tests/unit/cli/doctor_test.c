#include "control/cli/doctor.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A machine made of files below a temporary directory. */
static char root[64];
static struct ctl_machine machine;
static struct ctl_report report;

static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
}

static void file(const char *path, const char *content)
{
	struct ctl_path full = ctl_machine_path(&machine, "%s", path);
	FILE *stream;

	make_parents(full.text);
	stream = fopen(full.text, "w");
	assert_non_null(stream);
	assert_true(fputs(content, stream) >= 0);
	assert_int_equal(fclose(stream), 0);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/quorate-doctor-XXXXXX");
	assert_non_null(mkdtemp(root));
	machine.root = root;
	report = (struct ctl_report){.area = "test"};
	return 0;
}

static int forget(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	(void)info;
	(void)kind;
	(void)where;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	ctl_report_fini(&report);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
	return nftw(root, forget, 16, FTW_DEPTH | FTW_PHYS);
}

static const struct ctl_check *find(const char *name)
{
	for (size_t i = 0; i < report.count; i++) {
		if (strcmp(report.checks[i].name, name) == 0)
			return &report.checks[i];
	}
	fail_msg("no check named '%s'", name);
	return NULL;
}

static void hugepages_are_for_bare_metal(void **state)
{
	const struct ctl_check *check;

	(void)state;
	file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
	ctl_doctor_memory(&report, &machine);
	check = find("hugepages");
	assert_string_equal(ctl_report_verdict(&report, check), "warn");
	assert_string_equal(check->fix, "dpdk-hugepages.py --setup 1G");
	assert_true(ctl_report_is_possible(&report, DP_PROFILE_DEV));
	assert_false(ctl_report_is_possible(&report, DP_PROFILE_BARE_METAL));
	report.profile = DP_PROFILE_BARE_METAL;
	assert_string_equal(ctl_report_verdict(&report, check), "fail");
}

static void free_hugepages_are_counted(void **state)
{
	(void)state;
	file("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "4\n");
	file("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "3\n");
	ctl_doctor_memory(&report, &machine);
	assert_true(find("hugepages")->well);
	assert_non_null(strstr(find("hugepages")->value, "3 of 4 x 1 GiB"));
}

static void an_old_kernel_runs_nothing(void **state)
{
	(void)state;
	file("/proc/sys/kernel/osrelease", "5.4.0-generic\n");
	ctl_doctor_kernel(&report, &machine);
	assert_string_equal(ctl_report_verdict(&report, find("version")), "fail");
	assert_false(ctl_report_is_possible(&report, DP_PROFILE_DEV));
}

static void a_slow_clock_has_its_fix(void **state)
{
	static const char folder[] = "/sys/devices/system/clocksource/clocksource0";

	(void)state;
	file("/proc/sys/kernel/osrelease", "6.1.0-9-amd64\n");
	file(ctl_machine_path(&(struct ctl_machine){.root = ""}, "%s/current_clocksource", folder)
		     .text,
	     "hpet\n");
	file(ctl_machine_path(&(struct ctl_machine){.root = ""}, "%s/available_clocksource", folder)
		     .text,
	     "tsc hpet\n");
	ctl_doctor_kernel(&report, &machine);
	assert_true(find("version")->well);
	assert_non_null(strstr(find("clock source")->fix, "echo tsc >"));
}

static void a_core_pinned_outside_the_isolated_is_told(void **state)
{
	(void)state;
	file("/sys/devices/system/cpu/online", "0-7\n");
	file("/sys/devices/system/cpu/isolated", "4-7\n");
	ctl_doctor_cpu(&report, &machine, "3,4");
	assert_non_null(strstr(find("isolated")->value, "pins cores to 3"));
	ctl_report_fini(&report);
	ctl_doctor_cpu(&report, &machine, "4,5");
	assert_true(find("isolated")->well);
}

static void a_governor_that_saves_power_is_told(void **state)
{
	(void)state;
	file("/sys/devices/system/cpu/online", "0-1\n");
	file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
	file("/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n");
	ctl_doctor_cpu(&report, &machine, "");
	assert_string_equal(find("governor")->value, "powersave on CPU 1");
}

static void an_interrupt_on_a_polling_core_is_told(void **state)
{
	(void)state;
	file("/sys/devices/system/cpu/online", "0-3\n");
	file("/sys/devices/pci/0000:00:02.0/msi_irqs/36", "");
	file("/sys/devices/pci/0000:00:02.0/nvme/nvme0n1/size", "");
	file("/proc/irq/36/effective_affinity_list", "2\n");
	ctl_doctor_interrupts(&report, &machine, "disk irq", "/sys/devices/pci/0000:00:02.0/nvme",
			      "2-3");
	assert_false(find("disk irq")->well);
	assert_non_null(strstr(find("disk irq")->fix, "echo 0-1 >"));
	ctl_report_fini(&report);
	ctl_doctor_interrupts(&report, &machine, "disk irq", "/sys/devices/pci/0000:00:02.0/nvme",
			      "3");
	assert_string_equal(find("disk irq")->value, "interrupts go to CPU 2");
}

static void a_nic_bound_to_vfio_is_ready(void **state)
{
	struct ctl_path link;

	(void)state;
	file("/sys/bus/pci/devices/0000:3b:00.0/class", "0x020000\n");
	file("/sys/bus/pci/drivers/vfio-pci/bind", "");
	link = ctl_machine_path(&machine, "/sys/bus/pci/devices/0000:3b:00.0/driver");
	assert_int_equal(symlink("../../drivers/vfio-pci", link.text), 0);
	ctl_doctor_network(&report, &machine, "");
	assert_true(find("0000:3b:00.0")->well);
	assert_true(find("NIC for DPDK")->well);
	assert_true(find("vfio-pci")->well);
}

static void the_report_says_what_blocks_a_profile(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	assert_non_null(stream);
	ctl_report_ok(&report, "good", "fine");
	ctl_report_bad(&report, CTL_PROFILES_LAB, "bad", "broken");
	ctl_report_fix(&report, "mend it");
	ctl_report_print(&report, stream, 80);
	assert_int_equal(fclose(stream), 0);
	assert_non_null(strstr(text, "ok    good            fine\n"));
	assert_non_null(strstr(text, "warn  bad             broken\n"
				     "                      fix: mend it\n"));
	assert_non_null(strstr(text, "lab             not possible here: bad (broken)\n"));
	assert_non_null(strstr(text, "dev             possible here\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hugepages_are_for_bare_metal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(free_hugepages_are_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_old_kernel_runs_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_slow_clock_has_its_fix, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_core_pinned_outside_the_isolated_is_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_governor_that_saves_power_is_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_interrupt_on_a_polling_core_is_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_nic_bound_to_vfio_is_ready, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_report_says_what_blocks_a_profile, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
