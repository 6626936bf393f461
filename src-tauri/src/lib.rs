//! The shell: the window, its state, and the commands it may call. No rule of the product lives here;
//! a command asks the engine and passes the answer on.

mod commands;

use drydock_engine::Engine;
use std::process::ExitCode;
use tauri::{Manager, WebviewUrl, WebviewWindowBuilder};

/// The commands and types that cross to the web view.
pub fn builder() -> tauri_specta::Builder<tauri::Wry> {
    use commands::{
        backups, connection, desk, environments, migrations, plans, runs, sandbox, seeds, settings,
        verification,
    };
    tauri_specta::Builder::new().commands(tauri_specta::collect_commands![
        environments::environments_list,
        environments::environment_get,
        environments::environment_create,
        environments::environment_update,
        environments::environment_duplicate,
        environments::environment_of_restore,
        environments::environment_reorder,
        environments::environment_delete,
        connection::address_parse,
        connection::password_set,
        connection::secret_store_status,
        connection::vault_create,
        connection::vault_unlock,
        connection::secret_provide,
        connection::connection_test,
        connection::connection_test_draft,
        connection::ssh_questions,
        connection::ssh_answer,
        connection::ssh_found,
        connection::ssh_choice,
        connection::host_key_pin,
        connection::host_key_trust,
        connection::line_status,
        connection::identity_repin,
        migrations::folder_pick,
        migrations::file_pick,
        migrations::migrations_choose,
        migrations::overview_read,
        migrations::migration_status,
        migrations::migration_detail,
        migrations::repair_examine,
        migrations::drift_compare,
        plans::plan_create,
        plans::plan_get,
        plans::plan_dry_run,
        plans::plan_apply,
        runs::run_get,
        runs::runs_list,
        runs::run_events,
        runs::run_watch,
        runs::run_cancel,
        runs::run_examine,
        runs::run_stop_on_server,
        sandbox::sandbox_status,
        sandbox::sandbox_start,
        sandbox::sandbox_stop,
        sandbox::sandbox_reset,
        sandbox::demo_start,
        seeds::seed_shelf,
        seeds::seed_folder_add,
        seeds::seed_folder_remove,
        seeds::password_judge,
        seeds::seed_plan,
        seeds::seed_sandbox,
        seeds::run_changes,
        seeds::row_changes,
        seeds::rows_export,
        seeds::undo_review,
        seeds::undo_plan,
        backups::backup_shelf,
        backups::backup_detail,
        backups::backup_preview,
        backups::dump_pick,
        backups::import_preview,
        backups::import_start,
        backups::backup_start,
        backups::backup_prove,
        backups::backup_remove,
        backups::backup_policy_set,
        backups::backup_keys_export,
        backups::backup_keys_import,
        backups::restore_loss,
        backups::restore_plan,
        backups::swap_back_plan,
        backups::roll_back_plan,
        backups::roll_back_report,
        backups::backup_for_plan,
        desk::desk_read,
        desk::desk_begin,
        desk::desk_plan,
        desk::desk_say,
        desk::desk_unsay,
        desk::desk_apply,
        desk::desk_end,
        desk::freezes_read,
        desk::freeze_set,
        desk::freeze_lift,
        verification::verification_last,
        verification::verify,
        verification::check_setup,
        verification::check_app_set,
        verification::check_folder_add,
        verification::check_folder_remove,
        verification::check_credential_set,
        verification::check_credential_take,
        verification::check_file,
        verification::check_text_judge,
        verification::check_file_save,
        verification::check_compose,
        verification::check_history,
        verification::check_export,
        verification::query_read,
        settings::settings_get,
        settings::settings_set,
        settings::audit_verify,
    ])
}

/// The TypeScript that the web UI talks through, as it must stand in `ui/src/lib/bindings.ts`.
///
/// # Errors
/// When a type cannot be written in TypeScript.
pub fn bindings() -> Result<String, String> {
    let folder = std::env::temp_dir().join(format!("drydock-bindings-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let path = folder.join("bindings.ts");
    let typescript =
        specta_typescript::Typescript::default().bigint(specta_typescript::BigIntExportBehavior::Number);
    builder().export(typescript, &path).map_err(|error| error.to_string())?;
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    // The generator declares the channel type a second time, beside the imported one.
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with("export type TAURI_CHANNEL"))
        .fold(String::new(), |text, line| text + line + "\n");
    Ok(text)
}

/// Opens the window and runs until it is closed.
pub fn run() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("DRYDOCK_LOG")
                .unwrap_or_else(|_| "warn,tao=error".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let specta = builder();
    let outcome = tauri::Builder::default()
        .plugin(tauri_plugin_dialog::init())
        .invoke_handler(specta.invoke_handler())
        .setup(move |app| {
            specta.mount_events(app);
            let engine =
                tauri::async_runtime::block_on(async { Engine::open(&Engine::data_folder()?).await })?;
            let schedule = engine.clone();
            tauri::async_runtime::spawn(async move { schedule.keep_schedule().await });
            app.manage(engine);
            WebviewWindowBuilder::new(app, "main", WebviewUrl::default())
                .title("Drydock")
                .inner_size(1280.0, 720.0)
                .min_inner_size(720.0, 480.0)
                .build()?;
            Ok(())
        })
        .build(tauri::generate_context!());
    match outcome {
        Ok(app) => {
            app.run(|app, event| {
                if let tauri::RunEvent::Exit = event
                    && let Some(engine) = app.try_state::<Engine>()
                {
                    tauri::async_runtime::block_on(engine.close_lines());
                    let _ = tauri::async_runtime::block_on(engine.sandbox_stop());
                }
            });
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!("Drydock could not start: {error}");
            ExitCode::FAILURE
        }
    }
}
