-- CreateEnum
CREATE TYPE "model_kind" AS ENUM ('TEXT_TO_IMAGE', 'IMAGE_TO_IMAGE', 'UPSCALE');

-- CreateTable
CREATE TABLE "ai_models" (
    "id" TEXT NOT NULL,
    "app_id" TEXT NOT NULL,
    "slug" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "kind" "model_kind" NOT NULL,
    "credits" INTEGER NOT NULL,
    "price" DECIMAL(10,4) NOT NULL,
    "enabled" BOOLEAN NOT NULL DEFAULT false,
    "position" INTEGER NOT NULL DEFAULT 0,
    "options" JSONB NOT NULL DEFAULT '{}',
    "capabilities" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "created_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "ai_models_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "ai_models_slug_key" ON "ai_models"("slug");

-- CreateIndex
CREATE INDEX "ai_models_app_id_enabled_idx" ON "ai_models"("app_id", "enabled");

-- AddForeignKey
ALTER TABLE "ai_models" ADD CONSTRAINT "ai_models_app_id_fkey" FOREIGN KEY ("app_id") REFERENCES "apps"("id") ON DELETE CASCADE ON UPDATE CASCADE;
