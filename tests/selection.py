"""Which tests run once and which under every TensorFlow; standard library only, for conftest.py and run_all.py.

A test runs under every TensorFlow unless ONCE names it, so that a new file is never left out by accident. ONCE names
what TensorFlow's version cannot change: reading and making data, command lines, files, pages, plots, statistics; and
programs and trainings whose parts are tested under both. AGAIN names exceptions: mostly one run of each program.
A name is a folder (ends in `/`; no test in it may import TensorFlow), a file, or a test with or without its
parameters; of two that match, the longer one counts. test_selection.py checks that every name exists.
"""

ONCE = (
    # no TensorFlow
    'tests/dnnlib/files/', 'tests/dnnlib/run/', 'tests/training/data/making/',
    'tests/dnnlib/test_allocator.py', 'tests/dnnlib/test_cache.py', 'tests/dnnlib/test_cli.py',
    'tests/dnnlib/test_disk.py', 'tests/dnnlib/test_encoding.py', 'tests/dnnlib/test_images.py',
    'tests/dnnlib/test_interrupts.py',
    'tests/dnnlib/test_memory.py', 'tests/dnnlib/test_needed.py', 'tests/dnnlib/test_shell.py',
    'tests/dnnlib/test_util.py',
    'tests/dnnlib/tflib/ops/test_cpu_kernels.py', 'tests/dnnlib/tflib/ops/test_cuda_kernels.py',
    'tests/export/test_torch_module.py', 'tests/generator/test_info.py',
    'tests/metrics/test_against_sklearn.py', 'tests/metrics/test_formulas.py', 'tests/metrics/test_metric_base.py',
    'tests/metrics/test_team.py', 'tests/metrics/test_weights.py',
    'tests/projector/test_align.py', 'tests/projector/test_calibration.py', 'tests/projector/test_inputs.py',
    'tests/projector/test_pace.py', 'tests/projector/test_perturb.py', 'tests/projector/test_report.py',
    'tests/projector/test_results.py',
    'tests/projector/test_statistics.py',
    'tests/training/data/test_ahead.py',
    'tests/training/data/test_cats.py', 'tests/training/data/test_cats_pairs.py', 'tests/metrics/test_cats_oracle.py',
    'tests/training/data/test_classes.py', 'tests/training/data/test_fuzz_data.py',
    'tests/training/data/test_contest_data.py', 'tests/metrics/test_memorization.py',
    'tests/training/data/test_translation_data.py', 'tests/training/data/test_users_files.py',
    'tests/training/data/test_memory.py', 'tests/training/test_dataset.py', 'tests/training/test_plot.py',
    'tests/training/data/test_streams.py', 'tests/training/data/test_handles.py', 'tests/dnnlib/test_seeds.py',
    'tests/training/options/test_next_steps.py',
    'tests/training/options/test_continuing.py', 'tests/training/options/test_epochs.py',
    'tests/training/options/test_ada.py', 'tests/training/options/test_augmenting.py',
    'tests/training/options/test_presets.py', 'tests/training/options/test_translation.py',
    'tests/training/report/test_alarms.py', 'tests/training/report/test_fakes.py', 'tests/training/test_rates.py',
    'tests/training/test_golden_files.py',
    'tests/training/report/test_grid.py', 'tests/training/state/test_checkpoints.py', 'tests/training/test_schedule.py',
    'tests/training/state/test_network_files.py', 'tests/test_cluster_page.py',
    'tests/training/options/test_workers.py',
    'tests/test_dataset_tool.py', 'tests/test_environments.py', 'tests/test_help.py', 'tests/test_house_rules.py',
    'tests/test_mistakes.py', 'tests/test_readme.py', 'tests/test_selection.py', 'tests/test_starting.py',
    # only the newest TensorFlow builds so
    'tests/dnnlib/tflib/test_graph_building.py',
    # with fake compilers, or about where files lie
    'tests/dnnlib/tflib/ops/test_build.py', 'tests/dnnlib/tflib/ops/test_native_cache.py',
    'tests/dnnlib/tflib/ops/test_native.py::test_a_program_that_must_have_native_operations_ends_with_one_line',
    'tests/dnnlib/tflib/ops/test_native.py::test_a_program_without_a_compiler_says_so_and_works',
    # how errors are told, once it has been computed
    'tests/dnnlib/test_doctor.py',
    'tests/dnnlib/tflib/test_self_test.py::test_training_with_a_wrong_kernel_is_refused',
    'tests/dnnlib/tflib/test_self_test.py::test_wrong_operations_are_named',
    'tests/dnnlib/tflib/test_self_test.py::test_nan_and_what_tensorflow_refuses',
    # other networks of the same layers, or names only
    'tests/training/test_networks_ada_training.py', 'tests/training/test_loss_compared.py',
    # translation: layers and norms are tested under both by the networks in AGAIN
    'tests/training/methods/test_translation_methods.py', 'tests/training/networks/test_translation.py',
    'tests/training/methods/test_translation_golden.py', 'tests/training/methods/test_translation_workers.py',
    'tests/training/methods/test_ugatit_tf.py', 'tests/training/methods/test_judging.py',
    'tests/training/augment/test_together.py', 'tests/training/state/test_pairs.py',
    'tests/training/torch_files/test_biggan.py',
    'tests/training/methods/test_domains.py', 'tests/training/methods/test_fan.py',
    'tests/training/torch_files/test_domains.py', 'tests/training/data/test_domains.py',
    'tests/training/options/test_domains.py', 'tests/training/blocks/test_landmarks.py',
    'tests/training/torch_files/test_translators.py', 'tests/translator/', 'tests/test_run_translator.py',
    'tests/explorer/', 'tests/training/report/test_steering.py',
    'tests/training/terms/test_consistency.py', 'tests/training/blocks/test_compared.py',
    'tests/training/test_networks_ada.py::test_initial_values_are_the_published_ones',
    'tests/training/test_networks_ada.py::test_bits_of_pagan',
    'tests/training/test_networks_ada.py::test_adaptive_dropout_where_it_is_published',
    'tests/training/test_networks_ada.py::test_several_scores',
    'tests/training/test_networks_ada.py::test_the_published_readers_read_what_is_written',
    'tests/training/test_reference_networks.py::test_reference_pickle_gives_the_reference_results[gresnet_dskip_r32]',
    'tests/training/test_reference_networks.py::test_reference_pickle_gives_the_reference_results[configd_r16]',
    'tests/training/test_reference_networks.py::test_older_pickles_of_stylegan_1',
    'tests/training/test_image_size.py::test_names_are_those_of_square_networks_of_as_many_levels',
    'tests/training/test_image_size.py::test_pickles_keep_the_size',
    'tests/training/blocks/test_growing.py::test_recursive_structure_can_be_a_networks_own',
    # ProGAN and losses by name: other networks of the same layers, trainings; one of each kind is in AGAIN
    'tests/training/networks/test_progan.py', 'tests/training/methods/test_progan.py', 'tests/generator/test_progan.py',
    'tests/training/test_adversarial.py', 'tests/training/terms/test_adversarial.py', 'tests/generator/test_msg.py',
    'tests/training/methods/test_latent.py', 'tests/training/options/test_latent.py',
    'tests/training/networks/test_msg.py', 'tests/training/methods/test_msg.py', 'tests/training/methods/test_osgan.py',
    # controlled and stopped in other trainings
    'tests/training/blocks/test_growing_training.py::test_images_of_all_levels_are_augmented_at_full_size',
    # layers of BigGAN are tested under both by the cases in AGAIN
    'tests/training/methods/test_classes.py', 'tests/training/options/test_classes.py',
    # programs and whole trainings: their parts are tested under every TensorFlow
    'tests/test_api.py', 'tests/test_benchmarks.py', 'tests/test_configurations.py', 'tests/test_killed_training.py',
    'tests/test_killed_workers.py',
    'tests/test_package.py',
    'tests/test_published_reader.py', 'tests/test_readme_run.py', 'tests/test_image_sizes.py',
    'tests/test_run_generator.py', 'tests/test_run_metrics.py', 'tests/test_run_projector.py',
    'tests/test_run_training.py',
    'tests/export/test_command.py', 'tests/export/test_translators.py', 'tests/export/test_domains.py',
    'tests/metrics/test_domains.py',
    'tests/generator/test_commands.py', 'tests/generator/test_directions.py',
    'tests/generator/test_foreign_files.py', 'tests/training/test_fitting.py',
    'tests/generator/test_help.py', 'tests/generator/test_plain.py', 'tests/metrics/test_intra_fid.py',
    'tests/metrics/test_feature_metrics.py', 'tests/metrics/test_networks_measured.py',
    'tests/metrics/test_perceptual_path_length.py', 'tests/metrics/test_robustness.py',
    'tests/metrics/test_what_is_measured.py',
    'tests/training/options/test_precision.py', 'tests/training/test_mixed_precision.py',
    'tests/training/options/test_automatic.py', 'tests/training/state/test_non_finite.py',
    'tests/training/test_workers.py',
    # one case of each kind stays, see AGAIN
    'tests/training/test_networks_stylegan.py::test_options_of_the_generator_matter',
    'tests/training/test_networks_stylegan.py::test_pickles_of_both_generations_are_told_apart',
    'tests/training/test_networks_stylegan.py::test_truncation_needs_a_cutoff',
    'tests/training/test_networks_stylegan.py::test_grey_and_rgba',
    'tests/training/test_networks_stylegan.py::test_numbers_of_parameters_are_the_published_ones',
    'tests/training/test_networks_stylegan.py::test_fixed_structure_is_full_resolution',
    'tests/training/test_networks_stylegan.py::test_generators_have_the_published_values[linear-NHWC]',
    'tests/training/blocks/test_growing.py::test_unused_levels_of_the_generator_take_no_part[G_main-options0]',
    'tests/training/blocks/test_growing.py::test_unused_levels_of_the_discriminator_take_no_part[D_basic]',
    'tests/training/blocks/test_growing.py::test_gradients_of_the_generator_to_second_order[G_main-options0]',
    'tests/training/blocks/test_growing.py::test_gradients_of_the_discriminator_to_second_order[D_basic]',
    'tests/training/blocks/test_growing_training.py::test_being_stopped_anywhere_changes_nothing',
    'tests/training/blocks/test_growing_training.py::test_an_error_at_a_new_level_does_not_lose_the_reset',
    'tests/training/test_networks_ada.py::test_without_labels_the_generator_is_that_of_stylegan2[orig]',
    'tests/training/test_networks_ada.py::test_without_labels_the_generator_is_that_of_stylegan2[resnet]',
    'tests/training/test_networks_ada.py::test_pickles_are_read_and_written',
    'tests/projector/test_projector.py::test_other_kinds_of_networks[1-w-optimize]',
    'tests/projector/test_projector.py::test_bad_arguments_are_refused',
    'tests/training/test_pretrained.py::test_the_published_tuple_has_names_and_roles',
    'tests/training/test_image_size.py::test_transposed_weights_give_transposed_images',
    'tests/training/augment/test_pipeline.py::test_strength_as_tensor_and_as_number',
    # taking over and freezing are tested under every TensorFlow in test_transfer.py and methods/test_stylegan2.py
    'tests/training/test_training_loop.py::test_a_run_from_a_pickle_freezes_layers_and_continues_without_it',
)
AGAIN = (
    'tests/explorer/test_server.py', 'tests/explorer/test_views.py',  # what Python's version can change
    'tests/explorer/test_routes.py::test_pictures_are_those_of_the_command_line',
    'tests/training/networks/test_progan.py::test_losses_and_their_gradients[progan_labels3_r16]',
    'tests/training/networks/test_progan.py::test_images_and_scores[progan_labels3_r16]',
    'tests/training/networks/test_progan.py::test_pickles_are_written_as_they_are_read',
    'tests/training/methods/test_latent.py::test_labels_of_convolutions[wgan-wgan_resnet-both3-classifier-norm]',
    'tests/training/methods/test_latent.py::test_pyramid',
    'tests/training/networks/test_msg.py::test_form_of_stylegan[msg_stylegan_labels3_r8]',
    'tests/training/networks/test_msg.py::test_form_of_progan',
    'tests/training/methods/test_osgan.py::test_one_stage[asym]',
    # every layer of translation once: convolutions, blurs, batch norm that is trained, spectral norm
    'tests/training/methods/test_translation_methods.py::test_pix2pix',
    'tests/training/methods/test_translation_methods.py::test_image_pool',
    'tests/training/networks/test_translation.py::test_networks_of_pix2pix_and_cyclegan[unet32_batch]',
    'tests/training/networks/test_translation.py::test_taps_of_cut[cut_resnet4_no_antialias-options1]',
    'tests/training/networks/test_translation.py::test_networks_of_pix2pix_and_cyclegan[patchgan_n3_antialias]',
    'tests/training/networks/test_translation.py::test_generators_of_ugatit[True]',
    'tests/training/networks/test_translation.py::test_discriminators_of_ugatit[ugatit_dis_local5]',
    'tests/training/networks/test_translation.py::test_encoder_of_pix2pixhd',
    # and of BigGAN's family: embedded classes, spectral norm, attention
    'tests/training/methods/test_classes.py::test_sagan',
    'tests/training/methods/test_domains.py::test_published_files_of_stargan2_give_the_published_results[stargan2_celeba]',
    'tests/training/methods/test_domains.py::test_stargan[stargan_classes]',
    'tests/training/blocks/test_landmarks.py::test_losses_and_filter',
    'tests/training/options/test_precision.py::test_tensorflow_1_on_a_cpu_is_refused',
    'tests/training/test_workers.py::test_two_workers_train_what_two_rounds_train',
    'tests/test_killed_workers.py::test_a_killed_worker_changes_nothing_under_tensorflow_1',
    'tests/training/test_mixed_precision.py::test_the_clamp_stops_gradients_too',
    'tests/training/blocks/test_growing_training.py::test_being_stopped_anywhere_changes_nothing[2]',
    'tests/training/test_image_size.py::test_transposed_weights_give_transposed_images[NHWC-networks2]',
    # dataset_tool, run_training, run_generator and run_projector, one after another; run_metrics; doctor
    'tests/test_image_sizes.py::test_training_generation_and_projection[L-12-12-config-e-settings1]',
    'tests/test_run_metrics.py::test_metrics_are_printed_and_logged',
    'tests/metrics/test_feature_metrics.py::test_networks_are_measured_reproducibly[fid10]',
    'tests/dnnlib/test_doctor.py::test_all_is_well',
)
SHORT = (  # where only TensorFlow's wheel differs: under Python 3.7
    'tests/dnnlib/tflib/ops/test_native.py', 'tests/dnnlib/tflib/ops/test_styled_bias_act.py',
    'tests/dnnlib/tflib/ops/test_upfirdn_2d.py', 'tests/dnnlib/tflib/test_network_pickle.py',
)
LONG = (  # not in `make test`: 10 to 30 seconds each, of what others there test in another way
    # other configurations, methods and compilers' checks of one kind
    'tests/test_killed_training.py::test_killing_a_training_changes_nothing[growing]',
    'tests/test_configurations.py::test_configuration_trains[config-b]',
    'tests/test_configurations.py::test_configuration_trains[config-e-Gresnet-Dorig]',
    'tests/test_configurations.py::test_configuration_trains[config-e-Gorig-Dskip]',
    'tests/dnnlib/tflib/ops/test_cuda_kernels.py::test_sanitizers_find_nothing[thread]',
    'tests/dnnlib/tflib/ops/test_cpu_kernels.py::test_the_sanitizers_find_nothing[thread]',
    'tests/training/methods/test_ugatit_tf.py::test_networks_losses_and_gradients',
    'tests/training/methods/test_translation_workers.py::test_stopped_and_continued_by_two_workers_to_the_same_bits',
    # large graphs of networks whose blocks and terms others test
    'tests/training/methods/test_domains.py::test_stopped_and_continued_to_the_same_bits[stargan2]',
    'tests/training/methods/test_domains.py::test_stargan2[stargan2_afhq]',
    'tests/training/methods/test_domains.py::test_every_array_of_these_cases_is_used',
    'tests/training/methods/test_classes.py::test_stopped_and_continued_to_the_same_bits',
    'tests/training/methods/test_msg.py::test_resumed_to_the_same_bits[stylegan]',
    'tests/training/methods/test_classes.py::test_biggan[biggan_deep32]',
    'tests/training/methods/test_classes.py::test_biggan[biggan_mybn32]',
    'tests/training/methods/test_classes.py::test_biggan[biggan_hier64]',
    'tests/training/methods/test_classes.py::test_bigbigan_trains_all_of_its_networks',
    'tests/training/methods/test_classes.py::test_every_array_of_these_cases_is_used',
)
SELECTIONS = ('all', 'most', 'again', 'short')


def matches(name, test):
    """Does a name of the lists above stand for a test, or for a file?"""
    return test.startswith(name) if name.endswith('/') else test == name or test.startswith((name + '::', name + '['))


def is_selected(test, selection):
    """Does a test run?

    Args:
        test: pytest's name, `tests/x/test_y.py::test_z[parameters]`; a file without `::` stands for what has no name
            of its own in the lists.
        selection: `all`; `most` = all but LONG; `again` = under another TensorFlow than the newest;
            `short` = once more, for its wheel only.
    """
    if selection in ('all', 'most'):
        return selection == 'all' or not any(matches(name, test) for name in LONG)
    once, again = [max([len(name) for name in names if matches(name, test)] or [0]) for names in (ONCE, AGAIN)]
    return once <= again and (selection == 'again' or any(matches(name, test) for name in SHORT))


def may_hold_selected(path, selection):
    """May any test of a file be selected? If not, it need not be imported."""
    return is_selected(path, selection) or selection == 'again' and any(name.startswith(path + '::') for name in AGAIN)
