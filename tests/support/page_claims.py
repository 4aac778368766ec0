"""Which test runs what a page shows to type. A claim that begins with `by hand:` says why no test can, and when it was typed."""

from __future__ import annotations

# (page, heading of the section) -> tests that run its blocks of `sh` and `console`
CLAIMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("README.md", "Try it"): (
        "demo/test_run.py::test_the_tour_goes_through_and_leaves_nothing",
        "demo/test_run.py::test_a_demo_that_is_kept_says_what_to_type_and_leaves_nothing_after_ctrl_c",
    ),
    ("README.md", "In front of a cluster of your own"): ("real/test_readme.py::test_the_first_hour_can_be_typed_as_it_stands",),
    ("approvals.md", "What runs already"): (
        "cli/sessions/test_tail.py::test_the_last_lines_of_a_session_are_shown",
        "real/test_kill.py::test_an_exec_is_followed_as_it_writes_and_ended_by_name",
    ),
    ("approvals.md", "Grants"): ("real/test_grants.py::test_denied_asked_for_approved_by_another_person_allowed_and_taken_back",),
    ("eks.md", "From nothing to a first call"): (
        "real/test_eks_page.py::test_the_page_leads_from_nothing_to_a_first_call_by_typing_it",
    ),
    ("eks.md", "The role, and whom AWS sees"): ("cli/test_rbac_page.py::test_the_page_shows_what_is_printed",),
    ("eks.md", "Access entry and RBAC: `l7gw rbac render`"): ("cli/test_rbac_page.py::test_the_page_shows_what_is_printed",),
    ("eks.md", "A certificate of the cluster's own CA: `l7gw clusters certificate`"): (
        "real/test_clusters_certificate.py::test_kubectl_with_an_unchanged_ca_goes_through_a_gateway_whose_certificate_the_cluster_signed",
    ),
    ("eks.md", "One line changed: `l7gw kubeconfig --edit`"): (
        "real/test_clusters_certificate_eks.py::test_the_file_of_aws_eks_update_kubeconfig_works_with_one_line_changed",
    ),
    ("eks.md", "As little as was used: `l7gw rbac suggest`"): (
        "real/test_rbac_suggest.py::test_what_is_applied_is_the_same_and_gives_all_that_is_needed",
    ),
    ("log.md", "Recipes"): ("gateway/test_access_log.py::test_each_recipe_of_the_page_finds_something_in_a_log",),
    ("login.md", "The issuer"): ("real/test_login.py::test_kubectl_logs_in_at_the_browser_renews_and_is_logged_out",),
    ("operations.md", "Install as a service"): (
        "real/test_init.py::test_who_types_what_init_printed_comes_to_a_call_with_a_token_of_the_issuer",
        "supervisor/test_unit.py::test_its_type_is_known_and_a_reload_checks_the_files_before_it_tells_the_gateway",
        "by hand: users, folders of root's and systemd; typed under systemd 252 on Debian 12",
    ),
    ("operations.md", "RBAC"): ("cli/rbac/test_command.py::test_a_service_account_can_hold_the_gateways_rights",),
    ("operations.md", "Day to day"): (
        "cli/test_operations_page.py::test_a_new_agent_gets_a_kubeconfig_with_a_certificate_of_the_agents_authority",
    ),
    ("operations.md", "Upgrade"): ("by hand: it needs two versions and systemd; typed under systemd 252 on Debian 12",),
    ("operations.md", "Backup"): (
        "cli/test_operations_page.py::test_a_backup_has_the_recordings_the_keys_and_the_database_and_is_intact",
    ),
    ("operations.md", "Retention by hand"): (
        "cli/test_operations_page.py::test_old_segments_are_moved_the_newest_stays_and_both_places_are_one_journal",
    ),
    ("operations.md", "What to alarm on"): (
        "cli/test_operations_page.py::test_the_messages_to_alarm_on_are_those_of_the_log",
        "by hand: it reads systemd's journal; typed under systemd 252 on Debian 12",
    ),
    ("operations.md", "Auditors without root or keys"): (
        "cli/test_operations_page.py::test_what_auditors_are_given_is_readable_by_their_group_and_they_use_every_reading_command",
    ),
    ("policy.md", "The policy"): (
        "cli/policy/test_command.py::test_packs_are_listed_and_printed_to_be_copied",
        "cli/policy/test_command.py::test_policy_check_takes_a_file_or_the_one_in_force",
    ),
    ("policy.md", "Before a new policy is in force"): (
        "real/test_backtest.py::test_a_stricter_policy_names_the_calls_of_a_real_client_that_it_would_deny",
    ),
    ("recordings.md", "replay"): ("cli/test_recordings_page.py::test_a_command_of_the_page_ends_as_the_page_says",),
    ("recordings.md", "grep"): ("cli/test_recordings_page.py::test_a_command_of_the_page_ends_as_the_page_says",),
    ("sessions.md", "Which sessions there were"): (
        "cli/test_sessions_page.py::test_the_list_on_the_page_has_the_columns_of_a_table_in_eighty_columns",
    ),
    ("sessions.md", "What was in one"): ("cli/test_sessions_page.py::test_the_story_on_the_page_is_what_show_prints",),
    ("sessions.md", "What runs now, and how to end it"): (
        "cli/sessions/test_tail.py::test_the_last_lines_of_a_session_are_shown",
        "real/test_kill.py::test_an_exec_is_followed_as_it_writes_and_ended_by_name",
    ),
}
